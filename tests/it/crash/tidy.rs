//! What must not be left after a deployment, however it ended.

use std::fs;
use std::path::Path;

use deploy_action::agent::store::{AppState, ServiceState};
use kit::bed::{Bed, Container};
use serde_json::Value;

/// The service's state as the agent has it on disk.
pub(super) fn stored(bed: &Bed) -> Result<ServiceState, String> {
    let folder = bed.dir().join("state").join(bed.name());
    let state = AppState::load(&folder).map_err(|error| format!("{error}"))?;
    Ok(state.service(&"web".parse().expect("a name")))
}

/// Everything that is left over or does not fit together, where one container should run; empty where all is as it should
/// be.
pub(super) fn complaints(bed: &Bed, status: &Value) -> Result<Vec<String>, String> {
    complaints_of(1, bed, status)
}

/// The same, where so many should run.
pub(super) fn complaints_of(replicas: usize, bed: &Bed, status: &Value) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let containers = bed.containers_of("web").map_err(|error| error.to_string())?;
    if containers.len() != replicas || containers.iter().any(|container| container.state != "running") {
        found.push(format!("{replicas} should run: {containers:?}"));
    }
    let one_off = ["project=".to_owned() + bed.name(), "oneoff=True".to_owned()];
    let one_off = one_off.map(|label| format!("label=com.docker.compose.{label}"));
    let listed = bed.machine.docker(&["ps", "-aq", "--filter", &one_off[0], "--filter", &one_off[1]]);
    if !listed.map_err(|error| error.to_string())?.trim().is_empty() {
        found.push("the container of a command is left".to_owned());
    }
    let state = stored(bed)?;
    files(bed, &mut found);
    route(bed, &state, &containers, &mut found);
    let text = bed.project.read("compose.deploy-agent.yaml").map_err(|error| error.to_string())?;
    let body = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let pinned = serde_json::from_str::<Value>(&body).unwrap_or_default();
    let pinned = pinned.pointer("/services/web/image").and_then(Value::as_str);
    if pinned != state.override_image.as_deref() {
        found.push(format!("the override pins {pinned:?}, the state says {:?}", state.override_image));
    }
    if !state.retiring.is_empty() {
        found.push(format!("containers are still on their way out: {:?}", state.retiring));
    }
    for what in ["drift", "blockers"] {
        if status[what].as_array().is_none_or(|list| !list.is_empty()) {
            found.push(format!("{what}: {}", status[what]));
        }
    }
    Ok(found)
}

fn files(bed: &Bed, found: &mut Vec<String>) {
    let state = bed.dir().join("state").join(bed.name());
    if fs::metadata(state.join("journal")).map_or(true, |meta| meta.len() != 0) {
        found.push("the journal is not empty".to_owned());
    }
    for (folder, left) in [
        (state.as_path(), ["damaged", "tmp"]),
        (bed.project.dir(), ["candidate", "tmp"]),
        (bed.proxy.folder(), ["candidate", "tmp"]),
        (&bed.proxy.folder().join(".deploy-agent"), ["", ""]),
    ] {
        let names = names_in(folder);
        found.extend(
            names
                .into_iter()
                .filter(|name| left.iter().any(|word| name.contains(word)))
                .map(|name| format!("{name} is left in {}", folder.display())),
        );
    }
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// What the route calls a container: the address that it was given, or its name.
fn server(bed: &Bed, container: &Container) -> String {
    let format = format!(
        "{{{{with (index .NetworkSettings.Networks \"{}\").IPAMConfig}}}}{{{{.IPv4Address}}}}{{{{end}}}}",
        bed.name()
    );
    let given = bed.machine.docker(&["inspect", "--format", &format, &container.id]).unwrap_or_default();
    if given.trim().is_empty() { container.name.clone() } else { given.trim().to_owned() }
}

fn route(bed: &Bed, state: &ServiceState, containers: &[Container], found: &mut Vec<String>) {
    let file = bed.proxy.folder().join(format!("deploy-agent-{}-web.yml", bed.name()));
    let text = fs::read_to_string(&file).ok();
    match (&state.route, text) {
        (None, None) => {}
        (Some(_), Some(text)) => {
            let servers: Vec<&str> = text.matches("\"url\"").collect();
            let ours = containers.iter().filter(|it| text.contains(&format!("//{}:", server(bed, it)))).count();
            if [servers.len(), ours] != [containers.len(); 2] || text.contains("deploy-agent-proof-") {
                found.push(format!("the route file should name these containers and nothing else: {text}"));
            }
        }
        (route, text) => {
            found.push(format!("adopted: {}, a route file: {}", route.is_some(), text.is_some()));
        }
    }
}
