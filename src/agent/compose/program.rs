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
    let plugin = folders(env).map(|folder| folder.join("docker-compose")).find(|path| is_program(path));
    match plugin {
        Some(plugin) if !has_folders_of_its_own(env) => (plugin.into(), None),
        _ => ("docker".into(), Some("compose")),
    }
}

fn folders(env: &BTreeMap<&'static str, String>) -> impl Iterator<Item = PathBuf> {
    let own = config(env).map(|config| config.join("cli-plugins"));
    own.into_iter().chain(SYSTEM.iter().map(PathBuf::from))
}

/// Docker's folder for this user.
fn config(env: &BTreeMap<&'static str, String>) -> Option<PathBuf> {
    let named = env.get("DOCKER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(Path::new(env.get("HOME")?).join(".docker")))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Whether the user's configuration names more folders for plugins, which come first: Docker's command knows them.
fn has_folders_of_its_own(env: &BTreeMap<&'static str, String>) -> bool {
    let text = config(env).and_then(|config| fs::read_to_string(config.join("config.json")).ok());
    text.is_some_and(|text| text.contains("cliPluginsExtraDirs"))
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
        assert_eq!(program(&env), ("docker".into(), Some("compose")));
    }
}
