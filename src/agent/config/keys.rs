//! `keys`: who may ask for what.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{AppConfig, Key, value};
use crate::domain::AppName;
use crate::yaml::{Cursor, Report};

/// `apps` is absent where the file names none (which is reported elsewhere); an application with problems of its own
/// counts as named.
pub(super) fn keys(
    list: &Cursor<'_>,
    apps: Option<&BTreeMap<AppName, Option<AppConfig>>>,
    weak: &dyn Fn(&[u8; 32]) -> Option<&'static str>,
    report: &mut Report,
) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    let mut points: Vec<[u8; 32]> = Vec::new();
    for item in list.items("key", report) {
        let Some(fields) = item.fields(&["id", "ed25519", "apps"], &[], report) else { continue };
        let id = fields.required("id", report).and_then(|id| {
            id.parse_with(report, |text| {
                let text = value::id(text)?;
                if ids.contains(&text) { Err(format!("another key has the id `{text}`")) } else { Ok(text) }
            })
        });
        let ed25519 = fields.required("ed25519", report).and_then(|key| public_key(key, &points, weak, report));
        let apps = fields.required("apps", report).map(|list| named(list, apps, report));
        ids.extend(id.clone());
        points.extend(ed25519);
        if let (Some(id), Some(ed25519), Some(apps)) = (id, ed25519, apps) {
            keys.push(Key { id, ed25519, apps });
        }
    }
    keys
}

/// What does not decode is hidden: it may be a private key in the wrong place.
fn public_key(
    entry: &Cursor<'_>,
    others: &[[u8; 32]],
    weak: &dyn Fn(&[u8; 32]) -> Option<&'static str>,
    report: &mut Report,
) -> Option<[u8; 32]> {
    let text = entry.text(report)?;
    let Some(key) = STANDARD.decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) else {
        entry.hidden_problem(
            report,
            "this is not an Ed25519 public key: 32 bytes in base64, 44 characters with `=` at the end",
            "`agent keygen` prints the line to put here",
        );
        return None;
    };
    if let Some(why) = weak(&key) {
        entry.problem(
            report,
            format!("this key must not be trusted: {why}"),
            Some("make another with `agent keygen`; a forged signature could pass for this one"),
        );
        return None;
    }
    if others.contains(&key) {
        // Requests are kept from being replayed per key; the same key twice would let each come twice.
        entry.problem(report, "another id has the same key", Some("give each id a key of its own"));
        return None;
    }
    Some(key)
}

fn named(list: &Cursor<'_>, apps: Option<&BTreeMap<AppName, Option<AppConfig>>>, report: &mut Report) -> Vec<AppName> {
    let mut names = Vec::new();
    for item in list.items("application", report) {
        let Some(name) = item.parse::<AppName>(report) else { continue };
        match apps {
            Some(apps) if !apps.contains_key(&name) => {
                let known: Vec<String> = apps.keys().map(|app| format!("`{app}`")).collect();
                let hint = format!("applications of this file: {}", known.join(", "));
                item.problem(report, format!("`apps` names no application `{name}`"), Some(&hint));
            }
            _ => names.push(name),
        }
    }
    names
}
