//! The caller's own mistakes, without any agent: flags, the key, an address where nobody is.

use super::transcript::{Plain, command, deserted, ended};

const IMAGE: &str = "docker.io/badgery/hello@sha256:1111111111111111111111111111111111111111111111111111111111111111";
/// Nobody's key, of the right form.
const KEY: &str = "deploy-agent-key-v1:vps:ci:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[track_caller]
fn refused(name: &str, code: i32, line: &[&str], env: &[(&str, &str)]) {
    let folder = tempfile::tempdir().expect("a folder");
    let nobody = deserted();
    let text = format!(
        "app: hello\nenvironments:\n  production: {{target: {{vps: {{agent: 'http://{nobody}', service: web}}}}}}\n"
    );
    std::fs::write(folder.path().join("deploy.yml"), text).expect("writes");
    let output = ended(command(folder.path(), line).envs(env.iter().copied()));
    assert_eq!(output.code, code, "{output:?}");
    for (_, value) in env.iter().filter(|(name, value)| *name == "DEPLOY_AGENT_KEY" && value.len() > 20) {
        let shown = format!("{}{}", output.stdout, output.stderr);
        assert!(!shown.contains(&value[value.len() - 20..]), "the key is shown: {shown}");
    }
    let plain = Plain::default().and(nobody, "<agent>");
    insta::assert_snapshot!(name, plain.transcript(&line.join(" "), &output));
}

#[test]
fn an_image_with_a_tag() {
    refused("image_with_a_tag", 2, &["deploy", "production", "--image", "docker.io/badgery/hello:v2"], &[]);
}

#[test]
fn no_key() {
    refused("no_key", 13, &["deploy", "production", "--image", IMAGE], &[]);
}

#[test]
fn a_malformed_key() {
    let key = "deploy-agent-key-v1:vps:ci:dGhpcy1pcy1hLXNlY3JldC10aGF0LW11c3Qtbm90LWJlLXNob3du=";
    refused("malformed_key", 13, &["deploy", "production", "--image", IMAGE], &[("DEPLOY_AGENT_KEY", key)]);
    let public = "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=";
    refused("public_key_as_key", 13, &["status", "production"], &[("DEPLOY_AGENT_KEY", public)]);
}

#[test]
fn half_a_pull_credential() {
    let env = [("DEPLOY_AGENT_KEY", KEY), ("DEPLOY_REGISTRY_PASSWORD", "hunter2")];
    refused("half_a_credential", 2, &["deploy", "production", "--image", IMAGE], &env);
}

#[test]
fn an_unknown_environment() {
    refused("unknown_environment", 10, &["status", "prodution"], &[("DEPLOY_AGENT_KEY", KEY)]);
}

#[test]
fn an_agent_that_is_down() {
    refused("agent_down", 13, &["deploy", "production", "--image", IMAGE], &[("DEPLOY_AGENT_KEY", KEY)]);
    refused("agent_down_verify", 13, &["verify"], &[("DEPLOY_AGENT_KEY", KEY)]);
}
