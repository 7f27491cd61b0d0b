//! The README says what is true: codes, words, variables, links, and a set-up that works.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use deploy_action::domain::Reason;
use deploy_action::env;
use deploy_action::failure::Kind;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect(path)
}

/// A section's text, up to the next heading of its level or a higher one.
fn section(readme: &str, heading: &str) -> String {
    let level = heading.chars().take_while(|c| *c == '#').count();
    let from =
        readme.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section {heading}")) + heading.len() + 2;
    let ends = |line: &str| (1..=level).any(|level| line.starts_with(&format!("{} ", "#".repeat(level))));
    readme[from..].lines().take_while(|line| !ends(line)).collect::<Vec<_>>().join("\n")
}

/// First cells of a table's rows, without backticks.
fn first_cells(section: &str) -> Vec<String> {
    let rows = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---"));
    rows.skip(1).filter_map(|line| Some(line.split('|').nth(1)?.trim().trim_matches('`').to_owned())).collect()
}

/// Words in quotes that follow one of `before`, line breaks aside.
fn codes(source: &str, before: &[&str]) -> BTreeSet<String> {
    let starts = before.iter().flat_map(|word| source.match_indices(word).map(|(at, _)| at + word.len()));
    let quoted = |at: usize| {
        let word = source[at..].trim_start().strip_prefix('"')?.split('"').next()?;
        (!word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')).then(|| word.to_owned())
    };
    starts.filter_map(quoted).collect()
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let listed = first_cells(&section(&read("README.md"), "## Exit codes"));
    let codes = std::iter::once(0).chain(Kind::ALL.iter().map(|kind| kind.exit_code()));
    assert_eq!(listed, codes.map(|code| code.to_string()).collect::<Vec<_>>());
}

#[test]
fn every_reason_says_what_to_do() {
    let readme = read("README.md");
    for reason in Reason::ALL.iter().chain([&Reason::Unknown]) {
        let text = section(&readme, &format!("### <a id=\"reason-{reason}\"></a>{reason}"));
        assert!(text.split_whitespace().count() >= 8, "{reason}: {text}");
    }
    assert_eq!(readme.matches("<a id=\"reason-").count(), Reason::ALL.len() + 1, "a reason that does not exist");
}

#[test]
fn every_variable_is_listed() {
    let listed = first_cells(&section(&read("README.md"), "## Environment variables"));
    assert_eq!(listed, env::ALL.iter().map(|var| var.name.to_owned()).collect::<Vec<_>>());
}

#[test]
fn every_blocker_and_every_drift_has_a_line() {
    let readme = read("README.md");
    let mut blockers = BTreeSet::new();
    for file in ["facts/blockers.rs", "proxy/traefik/compile.rs", "proxy/traefik/prove.rs"] {
        blockers.extend(codes(&read(&format!("src/agent/{file}")), &["blocker(", "code:"]));
    }
    blockers.extend(codes(&read("src/plan/vps.rs"), &["add(", "code:"]));
    assert!(blockers.len() >= 20, "{blockers:?}");
    let listed: BTreeSet<String> = first_cells(&section(&readme, "## Blockers")).into_iter().collect();
    assert_eq!(listed, blockers);
    let listed: BTreeSet<String> = first_cells(&section(&readme, "## Drift")).into_iter().collect();
    assert_eq!(listed, codes(&read("src/agent/facts/status.rs"), &["add("]));
    assert_eq!(listed, BTreeSet::from(deploy_action::agent::facts::DRIFT.map(str::to_owned)));
}

#[test]
fn every_metric_has_a_line() {
    let source = read(
        "src/agent/metrics/snapshots/deploy_action__agent__metrics__render__tests__everything_is_told_by_application_and_service.snap",
    );
    let types = source.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned));
    let listed: BTreeSet<String> = first_cells(&section(&read("README.md"), "## Metrics")).into_iter().collect();
    assert_eq!(listed, types.collect());
}

#[test]
fn links_lead_somewhere() {
    for page in ["README.md", "CHANGELOG.md", ".github/ARCHITECTURE.md", ".github/CONTRIBUTING.md"] {
        let text = read(page);
        let mut anchors: BTreeSet<String> = text.lines().filter(|line| line.starts_with('#')).map(slug).collect();
        anchors.extend(
            text.match_indices("<a id=\"")
                .filter_map(|(at, found)| text[at + found.len()..].split('"').next().map(str::to_owned)),
        );
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or_default();
            match target.strip_prefix('#') {
                Some(anchor) => assert!(anchors.contains(anchor), "{page}: no anchor {target}"),
                None if target.starts_with("http") => {}
                None => {
                    let folder = Path::new(page).parent().unwrap_or(Path::new(""));
                    let file = target.split('#').next().unwrap_or_default();
                    assert!(root().join(folder).join(file).exists(), "{page}: no file {target}");
                }
            }
        }
    }
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[test]
fn the_example_configuration_is_valid() {
    let section = section(&read("README.md"), "## deploy.yml");
    let example = section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    deploy_action::config::parse("README.md", example).expect("valid");
}

#[test]
fn what_is_shown_of_runs_is_what_they_say() {
    let readme = read("README.md");
    for (before, run) in [("Of a crash:", "crash_137"), ("A canary by CodeDeploy, in the log:", "canary")] {
        let shown = readme.split(&format!("{before}\n\n```text\n")).nth(1).and_then(|rest| rest.split("```").next());
        let given = read(&format!("tests/it/ecs/snapshots/it__ecs__cloud__{run}.snap"));
        let mut rest = given.lines();
        let mut lines = shown.expect("the marked block").lines().filter(|line| *line != "…");
        let other = lines.find(|line| !rest.any(|given| given == *line));
        assert_eq!(other, None, "in this order, of {run}");
    }
}

fn set_up() -> String {
    let readme = read("README.md");
    let block = readme.split("<!-- set-up -->\n```bash\n").nth(1).expect("the marked block");
    block.split("```").next().expect("its end").to_owned()
}

#[test]
fn the_set_up_is_short_and_sound() {
    let block = set_up();
    assert!(block.lines().count() <= 10, "{} lines", block.lines().count());
    let checked = Command::new("bash").args(["-n", "-c", &block]).output().expect("bash");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// Runs the block with everything below a temporary folder, without an engine and without systemd.
#[test]
fn the_set_up_makes_a_valid_configuration() {
    let temp = tempfile::tempdir().expect("a folder");
    let at = |name: &str| temp.path().join(name).display().to_string();
    fs::create_dir_all(at("stubs")).expect("a folder");
    fs::create_dir_all(at("opt/shop")).expect("a folder");
    fs::write(at("opt/shop/.env"), "TAG=1").expect("a file without a line break at its end");
    for (name, body) in [("systemctl", "echo \"$@\" >>\"$CALLS\""), ("sleep", ":")] {
        let stub = at(&format!("stubs/{name}"));
        fs::write(&stub, format!("#!/bin/sh\n{body}\n")).expect("a stub");
        fs::set_permissions(&stub, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let path = format!("{}:{}", at("stubs"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    let run = Command::new("bash")
        .args(["-eu", "-c", &set_up()])
        .current_dir(root())
        .env_clear()
        .envs([("PATH", path), ("CALLS", at("calls")), ("DOCKER_HOST", format!("unix://{}", at("none.sock")))])
        .envs([("APP", "shop".to_owned()), ("FILES", "compose.yaml, compose.prod.yaml".to_owned())])
        .envs([("FROM", env!("CARGO_BIN_EXE_deploy-action").to_owned()), ("BIN", at("bin/deploy-action"))])
        .envs([("DIR", at("opt/shop")), ("TRAEFIK", at("opt/traefik")), ("STATE", at("state"))])
        .envs([("ETC", at("etc")), ("UNITS", at("units")), ("LISTEN", "127.0.0.1:1".to_owned())])
        .output()
        .expect("bash runs");
    let (out, err) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    // There is no engine here, so `agent doctor` at its end finds something.
    assert_eq!(run.status.code(), Some(i32::from(Kind::Preflight.exit_code())), "{out}\n{err}");
    assert!(out.starts_with("deploy-agent-key-v1:") && out.contains("FAIL  Docker Engine"), "{out}\n{err}");
    let config = deploy_action::agent::serve::load(Path::new(&at("etc/agent.yml"))).expect("a valid agent.yml");
    let app = config.apps.values().next().expect("an application");
    assert_eq!(app.files.len(), 2);
    assert_eq!(config.keys[0].apps[0].as_str(), "shop");
    assert!(config.traefik.is_some_and(|traefik| traefik.entrypoints.len() == 2));
    assert!(!fs::read_to_string(at("etc/agent.yml")).expect("agent.yml").contains("deploy-agent-key-"));
    assert_eq!(fs::read_to_string(at("opt/shop/compose.deploy-agent.yaml")).expect("the override"), "services: {}\n");
    assert_eq!(
        fs::read_to_string(at("opt/shop/.env")).expect(".env"),
        "TAG=1\nCOMPOSE_FILE=compose.yaml:compose.prod.yaml:compose.deploy-agent.yaml\n"
    );
    assert!(Path::new(&at("units/deploy-agent.service")).exists());
    assert_eq!(
        fs::read_to_string(at("calls")).expect("calls"),
        "daemon-reload\nenable deploy-agent\nrestart deploy-agent\n"
    );
}
