//! Hashes that compose gave before: asking it takes a while, and most often nothing has changed since.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::program::program;
use super::{ComposeEnv, Stamp};
use crate::domain::ServiceName;
use crate::signing::body_hash;

/// All that a hash depends on: the resolved project, and which compose is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    program: Stamp,
    resolved: String,
}

impl Seen {
    /// `None` where only Docker's command knows which compose it runs.
    pub(super) fn by(env: &ComposeEnv, resolved: &str) -> Option<Self> {
        let (program, None) = program(&env.0) else { return None };
        Some(Self { program: Stamp::of([Path::new(&program)]), resolved: body_hash(resolved.as_bytes()) })
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

    use super::super::tests::install;
    use super::super::{Compose, With};
    use super::*;

    /// Prints the configuration, and counts how often it is asked for a hash, which is that of the file `hash`.
    const COMPOSE: &str = r#"#!/bin/sh
case "$*" in
  *"--file - config --hash web") cat >read; echo x >>asked; echo "web $(cat hash)" ;;
  *) cat config ;;
esac
"#;

    #[tokio::test]
    async fn compose_is_asked_for_a_hash_once_for_what_it_depends_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(at(name), text).expect("writes");
        let read = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
        let env = install(folder.path(), COMPOSE);
        write("config", r#"{"services":{"web":{"image":"a"}}}"#);
        write("hash", &"1".repeat(64));
        let compose = Compose::new("p", folder.path(), &[at("compose.yaml")], env);
        let web: ServiceName = "web".parse().expect("a name");
        let mut expected = 0;
        let mut check = async |what: &str, asks: bool, hash: &str| {
            expected += usize::from(asks);
            let resolved = compose.resolve(With::Live).await.expect("reads");
            assert_eq!(compose.hash(&resolved, &web).await.expect("reads"), hash.repeat(64), "{what}");
            assert_eq!(read("asked").lines().count(), expected, "{what}");
            assert!(!asks || read("read") == read("config"), "{what}: it is asked about what it said");
        };
        check("never seen", true, "1").await;
        write("hash", &"2".repeat(64));
        check("as before", false, "1").await;
        write("config", r#"{"services":{"web":{"image":"b"}}}"#);
        check("another configuration", true, "2").await;
        write("hash", &"3".repeat(64));
        check("as before", false, "2").await;
        install(folder.path(), &format!("{COMPOSE}\n"));
        check("another compose", true, "3").await;
        check("as before", false, "3").await;
    }

    #[test]
    fn a_compose_that_only_dockers_command_finds_is_asked_each_time() {
        assert_eq!(Seen::by(&ComposeEnv::default(), "{}"), None);
    }
}
