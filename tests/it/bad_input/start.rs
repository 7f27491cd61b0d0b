//! An agent that cannot start says why and leaves no trace.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kit::bed::Machine;

use super::transcript::{Plain, command, deserted, ended, tree};

fn agent_yml(folder: &Path, listen: &str) -> String {
    format!(
        "agent_id: vps\nlisten: {listen}\nstate_dir: {here}/state\n\
         keys:\n  - {{id: ci, ed25519: WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=, apps: [hello]}}\n\
         apps:\n  hello:\n    dir: {here}\n    images: [docker.io/badgery/hello]\n    services: {{web: {{probe: /healthz}}}}\n",
        here = folder.display()
    )
}

#[track_caller]
fn refused(name: &str, code: i32, env: &[(&str, &str)], prepare: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("agent.yml"), agent_yml(folder.path(), &deserted().to_string())).expect("writes");
    prepare(folder.path());
    let before = tree(folder.path());
    let line = ["agent", "serve", "--config", "agent.yml"];
    let mut command = command(folder.path(), &line);
    // The engine and the compose plugin, as the bed finds them.
    let machine = Machine::find().expect("a prepared machine").command("docker");
    command.envs(machine.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = ended(command.env("DEPLOY_LOG", "error").envs(env.iter().copied()));
    assert_eq!(output.code, code, "{output:?}");
    let plain = Plain::default().and(folder.path().display(), "<folder>");
    insta::assert_snapshot!(name, plain.transcript(&line.join(" "), &output));
    assert_eq!(tree(folder.path()), before, "nothing was made");
}

#[test]
fn no_docker_socket() {
    refused("no_docker_socket", 13, &[("DOCKER_HOST", "unix:///nonexistent/docker.sock")], |_| {});
}

/// With a compose of its own, whatever this machine has.
#[track_caller]
fn refused_with_compose(name: &str, plugin: &str) {
    let config = tempfile::tempdir().expect("a folder");
    let path = config.path().join("cli-plugins/docker-compose");
    std::fs::create_dir(config.path().join("cli-plugins")).expect("a folder");
    std::fs::write(&path, plugin).expect("writes");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    refused(name, 13, &[("DOCKER_CONFIG", &config.path().to_string_lossy())], |_| {});
}

#[test]
fn a_compose_that_fails() {
    refused_with_compose("compose_fails", "#!/bin/sh\necho 'unknown flag: --short' >&2\nexit 16\n");
}

#[test]
fn a_compose_that_cannot_be_run() {
    refused_with_compose("compose_cannot_be_run", "#!/nonexistent\n");
}

#[test]
fn a_state_folder_that_is_a_file() {
    refused("state_is_a_file", 13, &[], |folder| std::fs::write(folder.join("state"), "").expect("writes"));
}

#[test]
fn a_port_that_is_taken() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let taken = listener.local_addr().expect("an address").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("agent.yml"), agent_yml(folder.path(), &taken)).expect("writes");
    let line = ["agent", "serve", "--config", "agent.yml"];
    let mut command = command(folder.path(), &line);
    let machine = Machine::find().expect("a prepared machine").command("docker");
    command.envs(machine.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = ended(command.env("DEPLOY_LOG", "error"));
    assert_eq!(output.code, 10, "{output:?}");
    let plain = Plain::default().and(folder.path().display(), "<folder>").and(taken, "<taken>");
    insta::assert_snapshot!("port_taken", plain.transcript(&line.join(" "), &output));
}
