//! What is wrong with inputs, files and event is told before anything is touched.

use std::fs;
use std::process::Command;
use std::time::Duration;

use kit::bed::run;

/// The program as a runner starts it, with inputs and with files in the checkout, and no network.
fn started(files: &[(&str, &str)], given: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let workspace = folder.path().join("workspace");
    fs::create_dir(&workspace).expect("a folder");
    for (name, text) in files {
        fs::write(workspace.join(name), text).expect("writes");
    }
    let event = folder.path().join("event.json");
    fs::write(&event, "{}").expect("writes");
    let mut command = Command::new(env!("CARGO_BIN_EXE_deploy-action"));
    command.env_clear().current_dir(&workspace).envs([
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_SHA", "ec26c3e57ca3a959ca5aad62de7213c562f8c821"),
        ("GITHUB_API_URL", "http://127.0.0.1:9"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_EVENT_NAME", "push"),
    ]);
    command.env("GITHUB_WORKSPACE", &workspace).env("GITHUB_EVENT_PATH", &event).envs(given.iter().copied());
    let output = run(&mut command, Duration::from_secs(60)).expect("it runs");
    format!("exit {}\n{}--\n{}", output.code, output.stdout, output.stderr)
}

#[test]
fn mistakes_are_told_before_anything_is_touched() {
    let broken = "app: hello\nenvironments:\n  production:\n    target:\n      vps: {agent: nowhere, servce: web}\n";
    let good = broken.replace("nowhere", "https://example.com").replace("servce", "service");
    let mut all = String::new();
    for (what, files, given) in [
        ("a misspelt input", vec![], vec![("INPUT_ENVIROMENT", "staging"), ("INPUT_AGENT-KEY", "canary")]),
        ("a broken configuration", vec![("deploy.yml", broken)], vec![]),
        ("a configuration that is not there", vec![], vec![("INPUT_CONFIG", "ops/deploy.yml")]),
        ("no configuration", vec![], vec![("INPUT_ENVIRONMENT", "production")]),
        ("no key", vec![("deploy.yml", good.as_str())], vec![]),
        ("a bad key", vec![("deploy.yml", good.as_str())], vec![("INPUT_AGENT-KEY", "canary")]),
        ("another event", vec![], vec![("GITHUB_EVENT_NAME", "issue_comment")]),
        ("no run", vec![], vec![("GITHUB_RUN_ID", "")]),
    ] {
        all.push_str(&format!("=== {what}\n{}", started(&files, &given)));
    }
    let unmasked: Vec<&str> =
        all.lines().filter(|line| line.contains("canary") && *line != "::add-mask::canary").collect();
    assert_eq!(unmasked, Vec::<&str>::new());
    insta::assert_snapshot!(all);
}
