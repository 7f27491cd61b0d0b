//! The grammars of single inputs. Each error is a sentence that follows the input's name.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use super::SHOWN;
use crate::domain::{HttpUrl, ImageRef, Repository, Secret, one_line};
use crate::plan::image::BuildMode;

/// What `command` may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Show what a deployment would change.
    Plan,
    /// Deploy.
    Deploy,
    /// Go back to the release before.
    Rollback,
}

/// What `image` may say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageInput {
    /// The commit's image is built and pushed to it.
    Repository(Repository),
    /// Deployed as the registry has it.
    Tag(Repository, String),
    /// Deployed as it is.
    Digest(ImageRef),
}

pub(super) fn of<T>(text: &str) -> Result<T, String>
where
    T: FromStr,
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| error.to_string())
}

pub(super) fn verb(text: &str) -> Result<Verb, String> {
    match text {
        "plan" => Ok(Verb::Plan),
        "deploy" => Ok(Verb::Deploy),
        "rollback" => Ok(Verb::Rollback),
        _ => {
            let shown = one_line(text, SHOWN);
            Err(format!("`{shown}` is no command of the action: write `plan`, `deploy` or `rollback`"))
        }
    }
}

pub(super) fn build(text: &str) -> Result<BuildMode, String> {
    match text {
        "auto" => Ok(BuildMode::Auto),
        "always" => Ok(BuildMode::Always),
        "never" => Ok(BuildMode::Never),
        _ => {
            let shown = one_line(text, SHOWN);
            Err(format!("`{shown}` says not when to build: write `auto`, `always` or `never`"))
        }
    }
}

/// As YAML 1.2's core schema writes them.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "true" | "True" | "TRUE" => Ok(true),
        "false" | "False" | "FALSE" => Ok(false),
        _ => Err(format!("`{}` is neither `true` nor `false`", one_line(text, SHOWN))),
    }
}

pub(super) fn image(text: &str) -> Result<ImageInput, String> {
    if text.contains('@') {
        return of(text).map(ImageInput::Digest);
    }
    let slash = text.rfind('/').map_or(0, |at| at + 1);
    let Some(colon) = text[slash..].find(':').map(|at| slash + at) else {
        return of(text).map(ImageInput::Repository);
    };
    let tag = &text[colon + 1..];
    // distribution's grammar of tags.
    let good = (1..=128).contains(&tag.len())
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if !good {
        return Err(format!(
            "`{}` is not a tag: 1 to 128 letters, digits, `.`, `_`, `-`, not beginning with `.` or `-`",
            one_line(tag, SHOWN)
        ));
    }
    Ok(ImageInput::Tag(of(&text[..colon])?, tag.to_owned()))
}

/// A registry's host: people paste the address that `docker login` shows.
pub(super) fn registry(text: &str) -> Result<String, String> {
    let host = |url: HttpUrl| url.path.is_empty() && url.query.is_none();
    let good = format!("https://{text}").parse::<HttpUrl>().is_ok_and(host);
    if good { Ok(text.to_owned()) } else { Err("write the host only, for example `ghcr.io` or `docker.io`".to_owned()) }
}

/// A user's name. It travels as `name:password`, so a colon would move a part of it into the password.
pub(super) fn username(text: &str) -> Result<String, String> {
    if text.contains(':') { Err("a user name has no `:`".to_owned()) } else { Ok(text.to_owned()) }
}

/// A client of an identity provider, as IAM takes it: 1 to 255 characters (`AddClientIDToOpenIDConnectProvider`).
pub(super) fn audience(text: &str) -> Result<String, String> {
    let good = text.chars().count() <= 255 && text.chars().all(|c| c.is_ascii_graphic());
    if good {
        Ok(text.to_owned())
    } else {
        Err("write 1 to 255 visible characters, for example `sts.amazonaws.com`".to_owned())
    }
}

/// `name=value` lines. Lines without anything are skipped; a value may be empty. Errors never repeat a value.
pub(super) fn pairs(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut pairs = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        let line = line.trim_end_matches('\r');
        let (name, value) =
            line.split_once('=').ok_or_else(|| format!("line {number} has no `=`: write `name=value`"))?;
        let name = name.trim();
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
            return Err(format!("line {number} has no name of letters, digits, `_`, `-`, `.` before its `=`"));
        }
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(pairs)
}

pub(super) fn secrets(text: &str) -> Result<BTreeMap<String, Secret<String>>, String> {
    Ok(pairs(text)?.into_iter().map(|(id, value)| (id, Secret::new(value))).collect())
}
