//! Walks the tree, collects problems, and goes on after each.

use std::fmt::Display;
use std::str::FromStr;

use super::problem::{Problem, Problems, Span};
use super::tree::{self, Entry, Node, Value};

/// The problems found so far.
#[derive(Debug, Default)]
pub struct Report {
    list: Vec<Problem>,
}

/// A value of the file, and how it is called: `environments.staging.target`.
#[derive(Debug, Clone)]
pub struct Cursor<'t> {
    node: &'t Node,
    /// The key that the value belongs to: where something missing is reported.
    key_at: Span,
    path: String,
}

/// A mapping whose keys are known.
#[derive(Debug)]
pub struct Fields<'t> {
    entries: Vec<(&'t str, Cursor<'t>)>,
    /// Known keys that unknown ones were probably meant to be: not reported as missing too.
    meant: Vec<String>,
    refused: bool,
    at: Span,
    path: String,
    same: Same,
}

/// Whether two names are of one key.
type Same = fn(&str, &str) -> bool;

fn exactly(written: &str, known: &str) -> bool {
    written == known
}

/// Reads `text` and hands its top to `read`, which returns a value or has reported why not.
///
/// # Errors
/// Every problem that reading or `read` found. The file's name is only shown.
pub fn read<T>(
    file_name: &str,
    text: &str,
    read: impl FnOnce(&Cursor<'_>, &mut Report) -> Option<T>,
) -> Result<T, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let top = Span { line: 1, column: 1, width: 1 };
    let mut report = Report::default();
    if text.len() > tree::MAX_BYTES {
        let message = format!("the file is {} bytes long; at most {} are read", text.len(), tree::MAX_BYTES);
        report.push(top, message, Some("check that this is the right file".to_owned()));
        return Err(Problems::new(file_name, "", report.list));
    }
    let root = tree::parse(text, &mut report.list);
    let value = match &root {
        None | Some(Node { value: Value::Nothing, .. }) => {
            if report.list.is_empty() {
                report.push(top, "the file is empty", Some("the README shows an example to begin with".to_owned()));
            }
            None
        }
        Some(node) => read(&Cursor { node, key_at: top, path: String::new() }, &mut report),
    };
    match value {
        Some(value) if report.list.is_empty() => Ok(value),
        None if report.list.is_empty() => {
            report.push(top, "the file cannot be read", None);
            Err(Problems::new(file_name, text, report.list))
        }
        _ => Err(Problems::new(file_name, text, report.list)),
    }
}

impl Report {
    fn push(&mut self, at: Span, message: impl Into<String>, hint: Option<String>) {
        self.list.push(Problem { at, message: message.into(), hint, hidden: false });
    }
}

impl<'t> Cursor<'t> {
    /// The path in backticks, or words for the top.
    fn name(&self) -> String {
        if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) }
    }

    /// Something is wrong with this value; the message does not name the path.
    pub fn problem(&self, report: &mut Report, message: impl Display, hint: Option<&str>) {
        report.push(self.node.at, format!("{}: {message}", self.name()), hint.map(str::to_owned));
    }

    /// As [`Cursor::problem`], for a value that may be a secret by mistake.
    pub fn hidden_problem(&self, report: &mut Report, message: impl Display, hint: &str) {
        let (message, hint) = (format!("{}: {message}", self.name()), Some(hint.to_owned()));
        report.list.push(Problem { at: self.node.at, message, hint, hidden: true });
    }

    /// Something is wrong with the key that this value belongs to.
    pub fn key_problem(&self, report: &mut Report, message: impl Display, hint: Option<&str>) {
        report.push(self.key_at, message.to_string(), hint.map(str::to_owned));
    }

    fn expected(&self, what: &str, report: &mut Report) {
        let (at, found) = match &self.node.value {
            Value::Nothing => (self.key_at, "nothing".to_owned()),
            Value::Text(text) => (self.node.at, format!("the text `{}`", text.chars().take(40).collect::<String>())),
            Value::List(_) => (self.node.at, "a list".to_owned()),
            Value::Map(_) => (self.node.at, "a mapping".to_owned()),
        };
        report.push(at, format!("{}: expected {what}, found {found}", self.name()), None);
    }

    fn child(&self, key: &str, key_at: Span, node: &'t Node) -> Cursor<'t> {
        let key = tree::shown(key);
        let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
        Cursor { node, key_at, path }
    }

    /// The mapping's entries by name, whatever they are called: at least one, `what` says of what.
    pub fn entries(&self, what: &str, report: &mut Report) -> Vec<(&'t str, Cursor<'t>)> {
        match &self.node.value {
            Value::Map(entries) if !entries.is_empty() => entries
                .iter()
                .map(|Entry { key, key_at, node }| (key.as_str(), self.child(key, *key_at, node)))
                .collect(),
            Value::Map(_) => {
                report.push(self.key_at, format!("{} is empty: name at least one {what}", self.name()), None);
                Vec::new()
            }
            _ => {
                self.expected("a mapping (`name: …` lines)", report);
                Vec::new()
            }
        }
    }

    /// A mapping with the keys `known`. Keys of `later` are refused with a sentence of their own, others as unknown.
    pub fn fields(&self, known: &[&str], later: &[&str], report: &mut Report) -> Option<Fields<'t>> {
        self.fields_by(exactly, known, later, report)
    }

    /// As [`Cursor::fields`], for a file of somebody else's whose reader takes a key in upper or lower case.
    pub fn fields_in_any_case(&self, known: &[&str], report: &mut Report) -> Option<Fields<'t>> {
        self.fields_by(str::eq_ignore_ascii_case, known, &[], report)
    }

    fn fields_by(&self, same: Same, known: &[&str], later: &[&str], report: &mut Report) -> Option<Fields<'t>> {
        let Value::Map(entries) = &self.node.value else {
            self.expected(&format!("a mapping (`key: value` lines) with the keys {}", quoted(known)), report);
            return None;
        };
        let mut fields: Vec<(&str, Cursor<'_>)> = Vec::new();
        let mut meant = Vec::new();
        let mut refused = false;
        for Entry { key, key_at, node } in entries {
            let child = self.child(key, *key_at, node);
            if fields.iter().any(|(before, _)| same(before, key)) {
                let hint = Some("remove one of the two".to_owned());
                report.push(*key_at, format!("{} is given twice, in upper and in lower case", child.name()), hint);
            } else if known.iter().any(|known| same(key, known)) {
                fields.push((key.as_str(), child));
            } else if later.contains(&key.as_str()) {
                let message = format!("{} is not supported by this version; remove it", child.name());
                report.push(*key_at, message, Some(format!("supported here: {}", quoted(known))));
                refused = true;
            } else {
                let near = nearest(key, known);
                let hint = near.map_or_else(
                    || format!("known here: {}", quoted(known)),
                    |candidate| format!("did you mean `{candidate}`?"),
                );
                report.push(*key_at, format!("unknown key {}", child.name()), Some(hint));
                meant.extend(near.map(str::to_owned));
            }
        }
        Some(Fields { entries: fields, meant, refused, at: self.key_at, path: self.path.clone(), same })
    }

    /// As [`Cursor::fields`], where nothing after the key means a mapping without entries.
    pub fn fields_or_nothing(&self, known: &[&str], later: &[&str], report: &mut Report) -> Option<Fields<'t>> {
        if matches!(self.node.value, Value::Nothing) {
            let (at, path) = (self.key_at, self.path.clone());
            let (entries, meant) = (Vec::new(), Vec::new());
            return Some(Fields { entries, meant, refused: false, at, path, same: exactly });
        }
        self.fields(known, later, report)
    }

    /// The items of a list: at least one, `what` says of what.
    pub fn items(&self, what: &str, report: &mut Report) -> Vec<Cursor<'t>> {
        match &self.node.value {
            Value::List(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .map(|(i, node)| Cursor { node, key_at: node.at, path: format!("{}[{i}]", self.path) })
                .collect(),
            Value::List(_) => {
                report.push(self.key_at, format!("{} is empty: name at least one {what}", self.name()), None);
                Vec::new()
            }
            _ => {
                self.expected("a list (`- …` lines or `[…]`)", report);
                Vec::new()
            }
        }
    }

    /// A text that is not empty.
    pub fn text(&self, report: &mut Report) -> Option<&'t str> {
        match &self.node.value {
            Value::Text(text) if text.is_empty() => {
                self.problem(report, "the text is empty", None);
                None
            }
            Value::Text(text) => Some(text),
            _ => {
                self.expected("a text", report);
                None
            }
        }
    }

    /// A text, which may be empty, or nothing at all.
    pub fn text_or_nothing(&self, report: &mut Report) -> Option<Option<&'t str>> {
        match &self.node.value {
            Value::Text(text) => Some(Some(text)),
            Value::Nothing => Some(None),
            _ => {
                self.expected("a text or nothing", report);
                None
            }
        }
    }

    /// A text that `read` accepts.
    pub fn parse_with<T, E: Display>(&self, report: &mut Report, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        match read(self.text(report)?) {
            Ok(value) => Some(value),
            Err(error) => {
                self.problem(report, error, None);
                None
            }
        }
    }

    /// A text that is a `T`.
    pub fn parse<T: FromStr<Err: Display>>(&self, report: &mut Report) -> Option<T> {
        self.parse_with(report, str::parse)
    }
}

impl<'t> Fields<'t> {
    /// The value of a key, if it is there.
    #[must_use]
    pub fn optional(&self, key: &str) -> Option<&Cursor<'t>> {
        self.entries.iter().find(|(name, _)| (self.same)(name, key)).map(|(_, cursor)| cursor)
    }

    /// The value of a key; that it is missing is a problem.
    pub fn required(&self, key: &str, report: &mut Report) -> Option<&Cursor<'t>> {
        let found = self.optional(key);
        if found.is_none() && !self.meant.iter().any(|meant| meant == key) {
            let place = if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) };
            report.push(self.at, format!("{place} misses the key `{key}`"), None);
        }
        found
    }

    /// A key was refused because this version does not support it.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.refused
    }
}

fn quoted(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The known key that an unknown one was probably meant to be.
fn nearest<'k>(key: &str, known: &[&'k str]) -> Option<&'k str> {
    let length = key.chars().count();
    if length > 64 {
        return None;
    }
    let written = key.to_lowercase().replace('-', "_");
    let distance = |candidate: &'k str| (strsim::damerau_levenshtein(&written, &candidate.to_lowercase()), candidate);
    let (near, candidate) = known.iter().map(|candidate| distance(candidate)).min()?;
    (near <= (length / 3).max(1)).then_some(candidate)
}
