//! `deploy.yml` through the whole program: exit 10, at the line, with what to write instead.

use super::transcript::{Plain, command, ended, tree};

const CASES: &[(&str, &str)] = &[
    (
        "unknown_key",
        "app: hello\nenvironments:\n  production:\n    target:\n      vps:\n        agent: https://vps.example.com\n        sevice: web\n",
    ),
    (
        "duplicate_key",
        "app: hello\napp: other\nenvironments:\n  production: {target: {vps: {agent: https://vps.example.com, service: web}}}\n",
    ),
    ("missing_target", "app: hello\nenvironments:\n  production: {}\n"),
    ("bad_url", "app: hello\nenvironments:\n  production: {target: {vps: {agent: vps.example.com, service: web}}}\n"),
    (
        "public_http",
        "app: hello\nenvironments:\n  production: {target: {vps: {agent: 'http://vps.example.com', service: web}}}\n",
    ),
    (
        "unsupported_key",
        "app: hello\nenvironments:\n  production:\n    budget: {monthly: 120}\n    target: {vps: {agent: https://vps.example.com, service: web}}\n",
    ),
    (
        "bad_environment_name",
        "app: hello\nenvironments:\n  Production EU: {target: {vps: {agent: https://vps.example.com, service: web}}}\n",
    ),
    ("tab", "app: hello\nenvironments:\n\tproduction:\n\t\ttarget: {}\n"),
    ("empty", ""),
    ("wrong_type", "app: [hello]\nenvironments:\n  production:\n    target: vps\n"),
];

#[test]
fn each_is_refused_at_its_line() {
    for (name, text) in CASES {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("deploy.yml"), text).expect("writes");
        let before = tree(folder.path());
        let line = ["verify", "--offline"];
        let output = ended(&mut command(folder.path(), &line));
        assert_eq!(output.code, 10, "{name}: {output:?}");
        insta::assert_snapshot!(*name, Plain::default().transcript(&line.join(" "), &output));
        assert_eq!(tree(folder.path()), before, "{name}");
    }
}
