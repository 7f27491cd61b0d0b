//! Addresses that stand in for names in our files: of all containers while the engine is away that resolves names, and of
//! the version that plain compose made until a first deployment has switched away from it.
//!
//! Whoever reads or writes a file goes on speaking of names.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::api::text;
use super::file::{RouteFile, config_of, text_of};

/// Addresses of containers by name.
pub type Addresses = BTreeMap<String, Ipv4Addr>;

/// The addresses that stand in for names, in all files of an application.
#[derive(Debug, Clone, Default)]
pub struct StandIns(Arc<Mutex<Inner>>);

/// What is known, and what follows from it.
#[derive(Debug, Default)]
pub(super) struct Inner {
    /// The addresses of all containers that are reached by name.
    known: Addresses,
    /// Whether all of them stand in.
    away: bool,
    /// Names for which they stand in anyway.
    pinned: BTreeSet<String>,
    /// Those that do.
    standing: Addresses,
}

impl StandIns {
    /// Takes in which addresses containers have; all of them stand in while the engine is `away`. Repeated, it makes up for
    /// a file that could not be written.
    ///
    /// # Errors
    /// What a file says that cannot be rewritten; the others are, and those of before count as standing.
    pub fn know(&self, files: &[RouteFile], known: Addresses, away: bool) -> io::Result<()> {
        let mut inner = self.hold();
        (inner.known, inner.away) = (known, away);
        inner.settle(files)
    }

    /// Lets them stand in for these names for as long as what it gives is kept.
    #[must_use]
    pub fn pin(&self, files: Vec<RouteFile>, names: BTreeSet<String>) -> Pinned {
        let mut inner = self.hold();
        inner.pinned.clone_from(&names);
        // Who writes a file next makes up for it.
        let _ = inner.settle(&files);
        Pinned { stand_ins: self.clone(), files, names }
    }

    /// What a route calls `server` now.
    #[must_use]
    pub fn of(&self, server: &str) -> String {
        self.hold().standing.get(server).map_or_else(|| server.to_owned(), ToString::to_string)
    }

    /// Kept for as long as a file is read or written.
    pub(super) fn hold(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names for which addresses stand in for as long as this is kept.
#[derive(Debug)]
pub struct Pinned {
    stand_ins: StandIns,
    files: Vec<RouteFile>,
    names: BTreeSet<String>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let mut inner = self.stand_ins.hold();
        inner.pinned.retain(|name| !self.names.contains(name));
        if let Err(error) = inner.settle(&self.files) {
            tracing::warn!(%error, "a route could not be led to names again; tried again");
        }
    }
}

impl Inner {
    /// A file's text as Traefik is to read it.
    pub(super) fn with_addresses(&self, text: &str) -> String {
        with_addresses(text, &self.standing)
    }

    /// A file's text as everybody else reads it.
    pub(super) fn with_names(&self, text: &str) -> String {
        with_names(text, &self.standing)
    }

    /// Rewrites the files to what is known.
    fn settle(&mut self, files: &[RouteFile]) -> io::Result<()> {
        let mut standing = self.known.clone();
        standing.retain(|name, _| self.away || self.pinned.contains(name));
        let before = std::mem::replace(&mut self.standing, standing);
        let mut done = Ok(());
        for file in files {
            let rewritten = file.on_disk().and_then(|known| {
                let Some(known) = known else { return Ok(()) };
                let text = self.with_addresses(&with_names(&known, &before));
                if text == known { Ok(()) } else { file.put(Some(&text)) }
            });
            done = rewritten.and(done);
        }
        if done.is_err() {
            self.standing = before;
        }
        done
    }
}

/// A file of ours with addresses in place of the names that have one.
fn with_addresses(text: &str, addresses: &Addresses) -> String {
    renamed(text, |host| addresses.get(host).map(ToString::to_string))
}

/// A file of ours with names in place of the addresses that stand in for them.
fn with_names(text: &str, addresses: &Addresses) -> String {
    renamed(text, |host| {
        let found = addresses.iter().find(|(_, address)| address.to_string() == host);
        found.map(|(name, _)| name.clone())
    })
}

/// One that is not as we write it, or has nothing to rename, stays as it is.
fn renamed(text: &str, name: impl Fn(&str) -> Option<String>) -> String {
    let Some(mut config) = config_of(text) else { return text.to_owned() };
    let mut changed = false;
    let services = config.pointer_mut("/http/services").and_then(Value::as_object_mut);
    for service in services.into_iter().flat_map(|services| services.values_mut()) {
        let servers = service.pointer_mut("/loadBalancer/servers").and_then(Value::as_array_mut);
        for server in servers.into_iter().flatten() {
            let url = self::text(server, "url");
            let Some((scheme, (host, port))) =
                url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)))
            else {
                continue;
            };
            if let Some(other) = name(host) {
                server["url"] = json!(format!("{scheme}://{other}:{port}"));
                changed = true;
            }
        }
    }
    if changed { text_of(&config) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn text(servers: &[&str]) -> String {
        let servers: Vec<Value> =
            servers.iter().map(|server| json!({"url": format!("http://{server}:8080")})).collect();
        text_of(&json!({"http": {"services": {"web": {"loadBalancer": {"servers": servers}}}}}))
    }

    fn addresses(known: &[(&str, &str)]) -> Addresses {
        known.iter().map(|(name, address)| ((*name).to_owned(), address.parse().expect("an address"))).collect()
    }

    fn file(folder: &Path, stand_ins: &StandIns) -> RouteFile {
        RouteFile::new(folder, &"shop".parse().expect("a name"), &"web".parse().expect("a name"), stand_ins)
    }

    #[test]
    fn whoever_reads_and_writes_speaks_of_names() {
        let folder = tempfile::tempdir().expect("a folder");
        let stand_ins = StandIns::default();
        let file = file(folder.path(), &stand_ins);
        let on_disk = || fs::read_to_string(file.path()).expect("a file");
        let read = || file.read().expect("reads").expect("a file");
        file.write(Some(&text(&["web-1", "10.0.0.7"]))).expect("writes");

        let known = addresses(&[("web-1", "10.0.0.2"), ("web-2", "10.0.0.3")]);
        stand_ins.know(std::slice::from_ref(&file), known, true).expect("writes");
        assert_eq!(on_disk(), text(&["10.0.0.2", "10.0.0.7"]), "an address that is a container's own stays");
        assert_eq!(read(), text(&["web-1", "10.0.0.7"]));
        assert_eq!((file.calls("web-1"), file.calls("web-9")), ("10.0.0.2".to_owned(), "web-9".to_owned()));
        file.write(Some(&text(&["web-2", "web-9"]))).expect("writes");
        assert_eq!((on_disk(), read()), (text(&["10.0.0.3", "web-9"]), text(&["web-2", "web-9"])));

        // A container that was restarted has another address, or none.
        stand_ins.know(std::slice::from_ref(&file), addresses(&[("web-2", "10.0.0.4")]), true).expect("writes");
        assert_eq!((on_disk(), read()), (text(&["10.0.0.4", "web-9"]), text(&["web-2", "web-9"])));
        stand_ins.know(std::slice::from_ref(&file), Addresses::new(), false).expect("writes");
        assert_eq!((on_disk(), read()), (text(&["web-2", "web-9"]), text(&["web-2", "web-9"])));
        assert_eq!(file.calls("web-2"), "web-2");
    }

    #[test]
    fn a_pinned_name_gives_way_to_its_address_with_the_engine_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let stand_ins = StandIns::default();
        let file = file(folder.path(), &stand_ins);
        let on_disk = || fs::read_to_string(file.path()).expect("a file");
        let known = addresses(&[("web-1", "10.0.0.2"), ("web-2", "10.0.0.3")]);
        stand_ins.know(std::slice::from_ref(&file), known, false).expect("writes");
        file.write(Some(&text(&["web-1", "web-2"]))).expect("writes");
        assert_eq!(on_disk(), text(&["web-1", "web-2"]));
        let pinned = stand_ins.pin(vec![file.clone()], BTreeSet::from(["web-1".to_owned()]));
        assert_eq!(on_disk(), text(&["10.0.0.2", "web-2"]));
        let moved = addresses(&[("web-1", "10.0.0.9"), ("web-2", "10.0.0.3")]);
        stand_ins.know(std::slice::from_ref(&file), moved, false).expect("writes");
        assert_eq!(on_disk(), text(&["10.0.0.9", "web-2"]), "it follows");
        stand_ins.know(std::slice::from_ref(&file), Addresses::new(), false).expect("writes");
        assert_eq!(on_disk(), text(&["web-1", "web-2"]), "what is not known is not led to");
        stand_ins.know(std::slice::from_ref(&file), addresses(&[("web-1", "10.0.0.2")]), false).expect("writes");
        drop(pinned);
        assert_eq!(on_disk(), text(&["web-1", "web-2"]));
    }

    #[test]
    fn what_could_not_be_written_is_made_up_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let stand_ins = StandIns::default();
        let file = file(folder.path(), &stand_ins);
        file.write(Some(&text(&["web-1"]))).expect("writes");
        let (files, standing) = (std::slice::from_ref(&file), addresses(&[("web-1", "10.0.0.2")]));
        // A file where the folder for its next text is.
        let staging = folder.path().join(".deploy-agent");
        fs::remove_dir_all(&staging).expect("removes");
        fs::write(&staging, "").expect("writes");
        stand_ins.know(files, standing.clone(), true).expect_err("nothing can be written");
        fs::remove_file(&staging).expect("removes");
        stand_ins.know(files, standing, true).expect("writes");
        assert_eq!(fs::read_to_string(file.path()).expect("a file"), text(&["10.0.0.2"]));
    }

    #[test]
    fn a_file_that_is_absent_or_not_ours_stays_so() {
        let folder = tempfile::tempdir().expect("a folder");
        let stand_ins = StandIns::default();
        let file = file(folder.path(), &stand_ins);
        stand_ins.know(std::slice::from_ref(&file), addresses(&[("web-1", "10.0.0.2")]), true).expect("writes");
        assert_eq!(file.read().expect("reads"), None);
        fs::write(file.path(), "http: {services: {}}").expect("writes");
        stand_ins.know(std::slice::from_ref(&file), Addresses::new(), false).expect("writes");
        assert_eq!(file.read().expect("reads").as_deref(), Some("http: {services: {}}"));
    }
}
