//! `agent.yml` through `agent serve` and `agent doctor`: exit 10 before the agent touches anything.

use super::transcript::{Plain, command, ended, tree};

/// The encoding of the point at infinity: a signature that anybody can make verifies under it.
const IDENTITY: &str = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// The base point: nobody's key, and not weak.
const STRONG: &str = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=";

fn agent_yml(listen: &str, key: &str, more: &str) -> String {
    format!(
        "agent_id: vps\nlisten: {listen}\nstate_dir: /folder/state\nkeys:\n  - {{id: ci, ed25519: {key}, apps: [hello]}}\n\
         apps:\n  hello:\n    dir: /opt/hello\n    images: [docker.io/badgery/hello]\n    services: {{web: {{probe: /healthz}}}}\n{more}"
    )
}

#[test]
fn each_is_refused_at_its_line() {
    for (name, text) in [
        (
            "unknown_and_misplaced_keys",
            agent_yml("127.0.0.1:7878", STRONG, "    service: web\ntreafik: {dir: /etc/traefik}\n"),
        ),
        ("public_address", agent_yml("0.0.0.0:7878", STRONG, "")),
        ("weak_key", agent_yml("127.0.0.1:7878", IDENTITY, "")),
        ("another_apps_key", agent_yml("127.0.0.1:7878", STRONG, "").replace("apps: [hello]", "apps: [helo]")),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().display().to_string();
        std::fs::write(folder.path().join("agent.yml"), text.replace("/folder", &here)).expect("writes");
        let before = tree(folder.path());
        for verb in ["serve", "doctor"] {
            let line = ["agent", verb, "--config", "agent.yml"];
            let output = ended(&mut command(folder.path(), &line));
            assert_eq!(output.code, 10, "{name}: {output:?}");
            let plain = Plain::default().and(&here, "<folder>");
            insta::assert_snapshot!(format!("{name}_{verb}"), plain.transcript(&line.join(" "), &output));
        }
        assert_eq!(tree(folder.path()), before, "{name}");
    }
}
