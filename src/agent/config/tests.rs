//! Good and bad `agent.yml` files; each bad one has its rendered messages in `snapshots/`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{AgentConfig, parse};
use crate::yaml::{Problems, mutate};

const GOOD: &str = "\
agent_id: vps-1.example
listen: 172.17.0.1:9180
metrics_listen: 172.17.0.1:9181
base_path: /deploy/
state_dir: /srv/agent/
keys:
  - id: ci
    ed25519: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=
    apps: [badgery, mailer]
  - { id: laptop, ed25519: 'ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=', apps: [badgery] }
traefik:
  dir: /opt/badgery/traefik/dynamic
  api: http://127.0.0.1:8080/
  entrypoints:
    web: http://127.0.0.1:80
    websecure: https://127.0.0.1:443
apps:
  badgery:
    project: badgery_prod
    dir: /opt/badgery
    files: [compose.yaml, ../shared/compose.logging.yaml, /etc/compose/extra.yaml]
    images: [docker.io/badgery/app]
    services:
      web:
        probe: /healthz
        proof: https://badgery.example.com/healthz?deep=1
        verify_for: 0
        drain_timeout: 2m
        gate_timeout: 90s
        pull_timeout: 20m
        keep_releases: 3
        overlap: allowed
      admin:
        probe: :8081/ready
      jobs:
  mailer:
    dir: /opt/mailer
    images: [docker.io/badgery/mailer]
    services: { mailer: {} }
";

const WORKER: &str = "\
agent_id: worker
keys: [{ id: ci, ed25519: AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=, apps: [jobs] }]
apps: { jobs: { dir: /opt/jobs, images: [docker.io/badgery/jobs], services: { jobs: {} } } }
";

/// Calls a key of zeros weak, as the real check does with more of them.
fn read(text: &str) -> Result<AgentConfig, Problems> {
    parse("agent.yml", text, |key| (*key == [0; 32]).then_some("it is a point of small order"))
}

fn refused(name: &str, text: &str) {
    let problems = read(text).expect_err(name);
    insta::assert_snapshot!(name, problems.to_string());
}

/// `GOOD` with some of its text replaced.
fn with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(GOOD.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    })
}

#[test]
fn good() {
    insta::assert_debug_snapshot!("good", read(GOOD).map_err(|p| p.to_string()));
    insta::assert_debug_snapshot!("defaults", read(WORKER).map_err(|p| p.to_string()));
}

#[test]
fn listens_only_where_a_private_network_reaches() {
    for good in ["127.0.0.1:0", "10.0.0.1:9180", "'[::1]:9180'", "'[fd00::1]:9180'", "192.168.1.5:80"] {
        let text = with(&[("172.17.0.1:9180", good)]);
        assert!(read(&text).is_ok(), "{good}");
    }
    for bad in
        ["0.0.0.0:9180", "'[::]:9180'", "203.0.113.1:9180", "'[2001:db8::1]:9180'", "localhost:9180", "9180", ":9180"]
    {
        assert!(read(&with(&[("172.17.0.1:9180", bad)])).is_err(), "{bad}");
    }
    refused("listen_everywhere", &with(&[("172.17.0.1:9180", "0.0.0.0:9180")]));
    refused("listen_public", &with(&[("172.17.0.1:9180", "203.0.113.1:9180")]));
    refused("listen_no_address", &with(&[("172.17.0.1:9180", "localhost:9180")]));
    refused("metrics_listen_everywhere", &with(&[("172.17.0.1:9181", "0.0.0.0:9181")]));
    refused("metrics_listen_twice", &with(&[("172.17.0.1:9181", "172.17.0.1:9180")]));
}

#[test]
fn two_services_never_share_a_route_file() {
    let second = "  badgery-web:\n    dir: /opt/b\n    images: [docker.io/badgery/b]\n    services: { admin: {} }\n";
    let text = with(&[
        ("      admin:\n", "      web-admin:\n"),
        ("  mailer:\n    dir", &format!("{second}  mailer:\n    dir")),
    ]);
    let problems = read(&text).expect_err("the same names").to_string();
    assert!(problems.contains("are both `badgery-web-admin`"), "{problems}");
}

#[test]
fn shapes() {
    refused("empty", "\n\n");
    refused("missing_keys", "listen: 127.0.0.1:9180\ntraefik: {}\n");
    refused("missing_keys_inside", "agent_id: a\nkeys: [{}]\ntraefik: {entrypoints: {}}\napps: {badgery: {}}\n");
    refused("nothing_named", "agent_id: a\nkeys: []\napps: {}\n");
    refused(
        "wrong_types",
        "agent_id: [a]\nkeys: {id: ci}\ntraefik: on\napps:\n  badgery:\n    dir: {}\n    files: compose.yaml\n    images: x\n    services: [web]\n",
    );
    refused(
        "unknown_keys",
        &with(&[
            ("agent_id:", "agent-id:"),
            ("base_path:", "basepath:"),
            ("ed25519: A", "ed25518: A"),
            ("entrypoints:", "entry_points:"),
            ("images:", "image:"),
            ("verify_for:", "verifyfor:"),
            ("overlap: allowed", "volume_overlap: allowed"),
        ]),
    );
    refused(
        "duplicate_keys",
        &with(&[("  mailer:\n", "  badgery:\n"), ("        verify_for: 0\n", "        probe: /x\n")]),
    );
}

#[test]
fn keys() {
    let second = "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=";
    refused("key_that_does_not_decode", &with(&[(second, "hunter2"), ("id: ci", "id: CI machine")]));
    refused("key_that_is_too_long", &with(&[(second, &"QUJD".repeat(16))]));
    refused(
        "private_key_in_pem",
        &with(&[(&format!("'{second}'"), "\"-----BEGIN PRIVATE KEY-----\n      MC4CAQAw\"")]),
    );
    refused("weak_key", &with(&[(second, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")]));
    refused(
        "same_key_and_id_twice",
        &with(&[(second, "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="), ("id: laptop", "id: ci")]),
    );
    refused(
        "key_for_unknown_applications",
        &with(&[("[badgery, mailer]", "[badgery, billing, '*']"), ("apps: [badgery] }", "apps: [] }")]),
    );
}

#[test]
fn values() {
    refused(
        "bad_paths",
        &with(&[
            ("base_path: /deploy/", "base_path: deploy/../x"),
            ("state_dir: /srv/agent/", "state_dir: state"),
            ("dir: /opt/badgery/traefik/dynamic", "dir: ./dynamic"),
            ("dir: /opt/badgery\n", "dir: ~/badgery\n"),
            ("/etc/compose/extra.yaml", "./compose.yaml"),
        ]),
    );
    refused(
        "bad_addresses",
        &with(&[
            ("http://127.0.0.1:8080/", "http://admin:hunter2@127.0.0.1:8080"),
            ("http://127.0.0.1:80\n", "127.0.0.1:80\n"),
            ("https://127.0.0.1:443", "https://127.0.0.1:443/app"),
            ("websecure:", "web secure:"),
            ("https://badgery.example.com/healthz?deep=1", "badgery.example.com/healthz"),
        ]),
    );
    refused(
        "bad_names",
        &with(&[
            ("badgery_prod", "Badgery"),
            ("[docker.io/badgery/app]", "[docker.io/badgery/app:1, 'https://docker.io/x']"),
            ("  mailer:\n", "  Mailer:\n"),
            ("      admin:", "      Admin:"),
        ]),
    );
    refused(
        "bad_service_values",
        &with(&[
            ("probe: /healthz", "probe: healthz"),
            ("verify_for: 0", "verify_for: 10"),
            ("drain_timeout: 2m", "drain_timeout: 1.5m"),
            ("gate_timeout: 90s", "gate_timeout: 0"),
            ("pull_timeout: 20m", "pull_timeout: 0"),
            ("keep_releases: 3", "keep_releases: 1"),
            ("overlap: allowed", "overlap: true"),
            (":8081/ready", ":0/ready"),
        ]),
    );
    refused("one_project_twice", &with(&[("project: badgery_prod", "project: mailer")]));
    refused("proof_without_traefik", &WORKER.replace("jobs: {} }", "jobs: { proof: 'https://x.example/' } }"));
    refused("later_text_is_no_yaml", &with(&[("  mailer:\n", "\tmailer:\n")]));
}

#[test]
fn bombs_are_refused_fast() {
    let began = Instant::now();
    let bomb = (1..20).fold("a0: &a0 {k: v}\n".to_owned(), |text, i| {
        let before = vec![format!("*a{}", i - 1); 10].join(",");
        format!("{text}a{i}: &a{i} [{before}]\n")
    });
    refused("alias_bomb", &bomb);
    refused("too_large", &format!("{GOOD}{}", "# padding\n".repeat(104_000)));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

proptest! {
    #[test]
    fn damaged_files_are_read_or_refused(damages in mutate::damage()) {
        let text = mutate::apply(GOOD, &damages);
        let began = Instant::now();
        if let Err(problems) = read(&text) {
            prop_assert!(!problems.list().is_empty());
            let shown = problems.to_string();
            prop_assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        }
        prop_assert!(began.elapsed() < Duration::from_secs(1));
    }
}
