//! A command that runs on the host before the new version starts, in a container of the new image.

use std::process::Stdio;

use kit::bed::wait_for;

use crate::stage::{PATIENCE, Run, Setting, Stage};

/// A stage whose agent runs commands, and a `deploy.yml` that names one.
fn stage(allowed: bool, command: &str, timeout: &str) -> Stage {
    let stage = Stage::set(Setting::service(|service| {
        if allowed {
            service.before_deploy = "allowed".to_owned();
        }
    }));
    let path = stage.bed.dir().join("client/deploy.yml");
    let text = std::fs::read_to_string(path).expect("a configuration");
    let before = format!("    before_deploy: {{command: {command}, timeout: {timeout}}}\n");
    stage.bed.write_deploy_yml(&format!("{text}{before}")).expect("writes");
    stage
}

/// The containers of commands that there are, running or not.
pub(crate) fn one_offs(stage: &Stage) -> Vec<String> {
    let project = format!("label=com.docker.compose.project={}", stage.bed.name());
    let once = "label=com.docker.compose.oneoff=True";
    let listed =
        stage.bed.machine.docker(&["ps", "-a", "--filter", &project, "--filter", once, "--format", "{{.Names}}"]);
    listed.expect("docker answers").lines().map(str::to_owned).collect()
}

fn phases(run: &Run) -> Vec<&str> {
    run.events("phase_started").iter().filter_map(|line| line["phase"].as_str()).collect()
}

#[test]
fn it_runs_once_in_the_new_image_and_not_for_a_way_back() {
    let stage = stage(true, "[once, \"0\"]", "30s");
    let v2 = stage.version("v2");
    let run = stage.deploy(&v2).expect(0);
    let order = phases(&run);
    let at = |phase: &str| order.iter().position(|known| *known == phase);
    assert!(at("pull") < at("before_deploy") && at("before_deploy") < at("create"), "{order:?}");
    let noted = run.events("note").iter().any(|line| line["text"] == "| once: version=v2 leaves with exit code 0");
    assert!(noted && run.events("diagnosis").is_empty(), "{:?}", run.lines);
    assert_eq!(one_offs(&stage), Vec::<String>::new());
    stage.assert_serves("v2");

    let again = stage.deploy(&v2).expect(0);
    assert_eq!(phases(&again), Vec::<&str>::new(), "{:?}", again.lines);
    let back = stage.rollback().expect(0);
    assert!(!phases(&back).contains(&"before_deploy"), "{:?}", back.lines);
    stage.assert_serves("v1");
}

#[test]
fn one_that_fails_keeps_the_new_version_from_starting() {
    for (command, words) in [("[once, \"7\"]", "ended with exit code 7"), ("[bogus]", "ended with exit code 2")] {
        let stage = stage(true, command, "30s");
        let before = stage.ids("web");
        let run = stage.deploy(&stage.version("v2")).expect(21);
        assert_eq!(run.reason(), "before_deploy_failed", "{:?}", run.lines);
        assert!(run.stderr.contains(words), "{command}: {}", run.stderr);
        let log: String = run.events("diagnosis").iter().map(|line| line["container"]["log"].to_string()).collect();
        assert!(log.contains("once: version=v2 leaves") || log.contains("unknown subcommand"), "{:?}", run.lines);
        assert!(!phases(&run).contains(&"create"), "{:?}", run.lines);
        assert_eq!((one_offs(&stage), stage.ids("web")), (Vec::new(), before), "{command}");
        stage.assert_serves("v1");
    }
}

#[test]
fn one_that_takes_too_long_is_ended() {
    let stage = stage(true, "[once, \"0\", \"200000\"]", "2s");
    let run = stage.deploy(&stage.version("v2")).expect(21);
    assert!(run.stderr.contains("did not end within 2.0 s"), "{}", run.stderr);
    assert_eq!(one_offs(&stage), Vec::<String>::new());
    stage.assert_serves("v1");
}

#[test]
fn one_is_ended_when_the_run_is_cancelled() {
    let stage = stage(true, "[once, \"0\", \"200000\"]", "10m");
    let v2 = stage.version("v2");
    let mut command = stage.bed.command(&["deploy", "production", "--image", &v2]).expect("a command");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for("the command to run", PATIENCE, || one_offs(&stage).len() == 1).expect("it runs");
    let id = child.id().to_string();
    assert!(std::process::Command::new("/bin/kill").args(["-INT", &id]).status().expect("kills").success());
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(40), "{output:?}");
    stage.wait("the way back", || stage.state()["holder"].is_null());
    assert_eq!(one_offs(&stage), Vec::<String>::new());
    stage.assert_serves("v1");
}

#[test]
fn the_compose_files_own_ways_do_not_reach_it() {
    let stage = stage(true, "[once, \"0\"]", "30s");
    let file = stage.bed.project.read("compose.yaml").expect("reads");
    // A registry that is asked anew, a name that others call, a restart for ever: none of it is for a command.
    let more = "    pull_policy: always\n    hostname: app.internal\n    restart: always\n    labels:";
    stage.bed.project.write("compose.yaml", &file.replacen("    labels:", more, 1)).expect("writes");
    let v2 = stage.version("v2");
    stage.bed.machine.docker(&["pull", "--quiet", &v2]).expect("the image is on the host");
    let (_, digest) = v2.split_once('@').expect("a digest");
    stage.bed.registry.delete("hello", digest).expect("deletes");
    stage.deploy(&v2).expect(0);
    assert_eq!(one_offs(&stage), Vec::<String>::new());
    stage.assert_serves("v2");
}

#[test]
fn what_only_somebody_elses_container_is_stays() {
    let stage = stage(true, "[once, \"5\", \"3000\"]", "30s");
    let v2 = stage.version("v2");
    let mut command = stage.bed.command(&["deploy", "production", "--image", &v2]).expect("a command");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    wait_for("the command to run", PATIENCE, || one_offs(&stage).len() == 1).expect("it runs");
    stage.bed.project.compose(&["up", "-d", "--no-recreate", "--scale", "web=2"]).expect("compose scales");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(21), "{output:?}");
    assert_eq!((one_offs(&stage), stage.containers("web").len()), (Vec::new(), 2));
    stage.assert_serves("v1");
}

#[test]
fn a_host_that_does_not_allow_it_runs_nothing() {
    let stage = stage(false, "[once, \"0\"]", "30s");
    let run = stage.deploy(&stage.version("v2")).expect(13);
    assert!(format!("{:?}{}", run.lines, run.stderr).contains("before_deploy_refused"), "{:?}", run.lines);
    let verified = stage.bed.deploy_action(&["verify"]).expect("the command runs");
    assert_eq!(verified.code, 13, "{verified:?}");
    assert!(verified.stdout.contains("before_deploy_refused"), "{verified:?}");
    stage.assert_serves("v1");
}

#[test]
fn who_makes_the_containers_anew_meanwhile_keeps_what_he_made() {
    let stage = stage(true, "[once, \"0\", \"20000\"]", "90s");
    let v2 = stage.version("v2");
    let run = std::thread::scope(|scope| {
        let deploying = scope.spawn(|| stage.deploy(&v2));
        stage.wait("the command to run", || !one_offs(&stage).is_empty());
        stage.bed.project.compose(&["up", "-d", "--force-recreate", "--wait", "web"]).expect("recreates");
        deploying.join().expect("no panic")
    });
    assert_eq!(run.expect(30).reason(), "changed_underneath");
    stage.wait("version 1 to serve", || stage.serves("v1"));
    assert_eq!((stage.ids("web").len(), one_offs(&stage)), (1, Vec::new()));
}
