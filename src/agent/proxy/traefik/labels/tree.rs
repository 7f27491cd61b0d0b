//! Dotted label names as a tree: `a.b[1].c=x` is member `c` of the second entry of member `b` of `a`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Greatest depth and index that are read: Traefik's own configuration is far below.
const MOST: usize = 32;

/// The labels that begin with `prefix` (without case), as a tree of objects, arrays and texts.
///
/// # Errors
/// The first label that contradicts another one, or has an empty or absurd part.
pub(super) fn tree(labels: &BTreeMap<String, String>, prefix: &str) -> Result<Value, String> {
    let mut root = Value::Object(Map::new());
    for (label, value) in labels {
        let Some(path) = label.get(..prefix.len()).filter(|begin| begin.eq_ignore_ascii_case(prefix)) else { continue };
        let parts: Vec<&str> = label[path.len()..].split('.').collect();
        if parts.len() > MOST || insert(&mut root, &parts, value).is_none() {
            return Err(label.clone());
        }
    }
    Ok(root)
}

fn insert(at: &mut Value, parts: &[&str], value: &str) -> Option<()> {
    let Some((part, rest)) = parts.split_first() else {
        // A bare `tls=true` beside `tls.options=…` says nothing more.
        return match at {
            Value::Object(members) if !members.is_empty() => value.eq_ignore_ascii_case("true").then_some(()),
            Value::Null => {
                *at = Value::String(value.to_owned());
                Some(())
            }
            _ => None,
        };
    };
    let (name, index) = match part.split_once('[') {
        Some((name, index)) => (name, Some(index.strip_suffix(']')?.parse::<usize>().ok().filter(|i| *i < MOST)?)),
        None => (*part, None),
    };
    if name.is_empty() {
        return None;
    }
    if at.is_null() || at.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        *at = Value::Object(Map::new());
    }
    let members = at.as_object_mut()?;
    // Structural names are without case, and so the first spelling stands for all.
    let key = members.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned().unwrap_or_else(|| name.to_owned());
    let member = members.entry(key).or_insert(Value::Null);
    match index {
        None => insert(member, rest, value),
        Some(index) => {
            if member.is_null() {
                *member = Value::Array(Vec::new());
            }
            let entries = member.as_array_mut()?;
            if entries.len() <= index {
                entries.resize(index + 1, Value::Null);
            }
            insert(&mut entries[index], rest, value)
        }
    }
}

/// A member by its name without case; nothing where there is none.
pub(super) fn entry<'a>(value: &'a Value, name: &str) -> &'a Value {
    named(value).find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or(&Value::Null, |(_, value)| value)
}

/// All members.
pub(super) fn named(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
