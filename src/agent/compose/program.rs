//! Which program compose is. Docker's own command does nothing for it but find its plugin, and takes longer for that than
//! compose takes to read a project; so the plugin is found here, where Docker's command looks for it, and run by itself.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where Docker's command looks after the user's own folder: `defaultSystemPluginDirs` of docker/cli.
const SYSTEM: &[&str] = &[
    "/usr/local/lib/docker/cli-plugins",
    "/usr/local/libexec/docker/cli-plugins",
    "/usr/lib/docker/cli-plugins",
    "/usr/libexec/docker/cli-plugins",
];

/// The program and its first argument, if it needs one. Looked for at every call: it may be upgraded or moved.
pub(super) fn program(env: &BTreeMap<&'static str, String>) -> (OsString, Option<&'static str>) {
    let plugin = config(env).filter(|config| !names_more_folders(config)).and_then(|config| {
        let folders = [config.join("cli-plugins")].into_iter().chain(SYSTEM.iter().map(PathBuf::from));
        folders.map(|folder| folder.join("docker-compose")).find(|path| is_program(path))
    });
    match plugin {
        Some(plugin) => (plugin.into(), None),
        None => ("docker".into(), Some("compose")),
    }
}

/// Docker's folder for this user; `None` where only Docker's command knows.
fn config(env: &BTreeMap<&'static str, String>) -> Option<PathBuf> {
    let named = env.get("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let folder = named.or_else(|| Some(Path::new(env.get("HOME")?).join(".docker")));
    folder.filter(|folder| folder.is_absolute())
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether the user's configuration names more folders for plugins, which come first: Docker's command knows them.
fn names_more_folders(config: &Path) -> bool {
    fs::read_to_string(config.join("config.json")).is_ok_and(|text| text.contains("cliPluginsExtraDirs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_run_where_it_is_found_and_dockers_command_where_it_may_be_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let plugins = folder.path().join("cli-plugins");
        fs::create_dir(&plugins).expect("makes");
        let plugin = plugins.join("docker-compose");
        let env = BTreeMap::from([("DOCKER_CONFIG", folder.path().display().to_string())]);
        fs::write(&plugin, "#!/bin/sh\n").expect("writes");
        assert_ne!(program(&env).0, *plugin.as_os_str(), "it is no program yet");
        fs::set_permissions(&plugin, fs::Permissions::from_mode(0o755)).expect("sets");
        assert_eq!(program(&env), (plugin.into(), None));
        fs::write(folder.path().join("config.json"), r#"{"cliPluginsExtraDirs":["/opt/plugins"]}"#).expect("writes");
        let dockers = ("docker".into(), Some("compose"));
        assert_eq!(program(&env), dockers);
        for env in [BTreeMap::new(), BTreeMap::from([("HOME", String::new())])] {
            assert_eq!(program(&env), dockers, "where Docker's command takes the home from the system's list of users");
        }
    }
}
