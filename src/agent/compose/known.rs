//! Hashes that compose gave before. Reading a project takes it a while, and most often nothing has changed since.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::program::program;
use super::{Compose, Stamp};
use crate::domain::ServiceName;
use crate::signing::body_hash;

/// All that a hash depends on: the configuration as compose reads it, and which compose that was. The files' own stamps
/// stand for what a configuration may not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    files: Stamp,
    live: Stamp,
    program: Stamp,
    config: String,
}

impl Seen {
    /// What can be told before compose is asked: an edit from here on is not missed. `None` where only Docker's command
    /// knows which compose it runs.
    pub(super) fn now(compose: &Compose) -> Option<Self> {
        let (program, None) = program(&compose.env.0) else { return None };
        Some(Self {
            files: compose.stamp(),
            live: Stamp::of([compose.live().as_path()]),
            program: Stamp::of([Path::new(&program)]),
            config: String::new(),
        })
    }

    /// With the configuration that compose read then.
    pub(super) fn with(self, config: &str) -> Self {
        Self { config: body_hash(config.as_bytes()), ..self }
    }
}

/// The last hash of each service.
#[derive(Debug, Default)]
pub(super) struct Known(Mutex<BTreeMap<ServiceName, (Seen, String)>>);

impl Known {
    /// The hash of a service that was seen like this.
    pub(super) fn hash(&self, service: &ServiceName, seen: &Seen) -> Option<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(service).filter(|(then, _)| then == seen).map(|(_, hash)| hash.clone())
    }

    /// Takes the place of what was known of the service.
    pub(super) fn learn(&self, service: &ServiceName, seen: Seen, hash: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(service.clone(), (seen, hash.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::agent::compose::ComposeEnv;
    use crate::agent::store::write_atomic;

    /// Prints the configuration, and counts how often it is asked for a hash, which is that of the file `hash`.
    const COMPOSE: &str = r#"#!/bin/sh
case "$*" in
  *--hash*) echo x >>asked; echo "web $(cat hash)" ;;
  *) cat config ;;
esac
"#;

    #[tokio::test]
    async fn compose_is_asked_for_a_hash_once_for_what_it_depends_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).expect("writes");
        let install = |text: &str| {
            write_atomic(&at("cli-plugins/docker-compose"), &at("new"), text.as_bytes(), 0o755).expect("writes");
        };
        fs::create_dir(at("cli-plugins")).expect("makes");
        install(COMPOSE);
        write("config", r#"{"services": {"web": {"image": "a"}}}"#);
        write("hash", &"1".repeat(64));
        let path = "/usr/bin:/bin".to_owned();
        let env = ComposeEnv(BTreeMap::from([("PATH", path), ("DOCKER_CONFIG", folder.path().display().to_string())]));
        let compose = Compose::new("p", folder.path(), &[at("compose.yaml")], env);
        let web: ServiceName = "web".parse().expect("a name");
        assert_eq!(Seen::now(&Compose::new("p", folder.path(), &[], ComposeEnv::default())), None, "not where it is");
        let mut expected = 0;
        let mut check = async |what: &str, asks: bool, hash: &str| {
            expected += usize::from(asks);
            let (services, found) = compose.services_and_hash(&web).await.expect("reads");
            assert!(services.contains_key("web"), "{what}");
            assert_eq!(found, Some(hash.repeat(64)), "{what}");
            assert_eq!(fs::read_to_string(at("asked")).map_or(0, |asked| asked.lines().count()), expected, "{what}");
        };
        check("never seen", true, "1").await;
        write("hash", &"2".repeat(64));
        check("as before", false, "1").await;
        write("config", r#"{"services": {"web": {"image": "b"}}}"#);
        check("another configuration", true, "2").await;
        write("hash", &"3".repeat(64));
        check("as before", false, "2").await;
        write("compose.yaml", "services: {}");
        check("an edited file", true, "3").await;
        write("hash", &"4".repeat(64));
        compose.write_live(&BTreeMap::new()).expect("writes");
        check("another override", true, "4").await;
        write("hash", &"5".repeat(64));
        install(&format!("{COMPOSE}\n"));
        check("another compose", true, "5").await;
        check("as before", false, "5").await;
        let other: ServiceName = "api".parse().expect("a name");
        let (_, none) = compose.services_and_hash(&other).await.expect("reads");
        assert_eq!(none, None);
    }
}
