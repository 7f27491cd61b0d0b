//! The small grammars of `agent.yml`.

use std::path::{Component, Path, PathBuf};

use crate::domain::{HttpUrl, HttpUrlError};

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

/// The id of an agent or a key: it is part of a header and of what is signed, so it has no spaces and no line breaks.
pub(super) fn id(text: &str) -> Result<String, String> {
    let good = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is not an id: 1 to 63 of `a-z`, `0-9`, `-`, `_`, `.`", shown(text)))
    }
}

/// The name of a compose project (compose specification, "name").
pub(super) fn project(text: &str) -> Result<String, String> {
    let good = text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a compose project: 1 to 63 of `a-z`, `0-9`, `-`, `_`, beginning with a letter or digit",
            shown(text)
        ))
    }
}

/// The name of a Traefik entry point.
pub(super) fn entrypoint(text: &str) -> Result<String, String> {
    let good = (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if good {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is not the name of an entry point: 1 to 63 letters, digits, `-`, `_`, `.`", shown(text)))
    }
}

/// An absolute path, `.` and `..` taken out.
pub(super) fn absolute(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') {
        joined(Path::new("/"), text)
    } else {
        Err(format!("`{}` is not an absolute path: begin with `/`", shown(text)))
    }
}

/// A path under `base` unless it is absolute. `.` and `..` are taken out by their letters, as compose does before it
/// writes a path into a container's labels, which are compared with this one.
pub(super) fn joined(base: &Path, text: &str) -> Result<PathBuf, String> {
    if text.chars().any(char::is_control) {
        return Err("a path holds a control character: write it on one line".to_owned());
    }
    let mut path = PathBuf::new();
    for part in base.join(text).components() {
        match part {
            Component::CurDir => {}
            // The parent of `/` is `/`.
            Component::ParentDir => drop(path.pop()),
            part => path.push(part),
        }
    }
    Ok(path)
}

/// How many releases are kept: the running one and the one that a rollback goes to at least.
pub(super) fn keep_releases(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 2..=100) => Ok(count),
        _ => {
            Err(format!("`{}` is not a number of releases from 2 to 100: `rollback` needs the one before", shown(text)))
        }
    }
}

/// Any address.
pub(super) fn url(text: &str) -> Result<String, HttpUrlError> {
    Ok(text.parse::<HttpUrl>()?.to_string())
}

/// An address that paths are appended to: no query, no trailing slash.
pub(super) fn base_url(text: &str) -> Result<String, String> {
    let mut url: HttpUrl = text.parse().map_err(|error: HttpUrlError| error.to_string())?;
    if url.query.is_some() {
        return Err("paths are appended to this address: it has no `?` part".to_owned());
    }
    url.path.truncate(url.path.trim_end_matches('/').len());
    Ok(url.to_string())
}

/// `scheme://host[:port]` and nothing more.
pub(super) fn origin(text: &str) -> Result<String, String> {
    let mut url: HttpUrl = text.parse().map_err(|error: HttpUrlError| error.to_string())?;
    if url.query.is_some() || !matches!(url.path.as_str(), "" | "/") {
        return Err("an entry point is reached by scheme, host and port: no path".to_owned());
    }
    url.path.clear();
    Ok(url.to_string())
}

/// A share: `10%`.
pub(super) fn percent(text: &str) -> Result<u8, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok()).filter(|number| *number <= 100);
    number.ok_or_else(|| {
        format!("`{}` is not a share: write a whole number from 0 to 100 and `%`, for example `10%`", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_by_their_letters() {
        for (text, clean) in [
            ("compose.yaml", "/opt/app/compose.yaml"),
            ("./a/../compose.yaml", "/opt/app/compose.yaml"),
            ("../shared/base.yaml", "/opt/shared/base.yaml"),
            ("/etc//x/", "/etc/x"),
            ("../../../../x", "/x"),
        ] {
            assert_eq!(joined(Path::new("/opt/app"), text), Ok(PathBuf::from(clean)));
        }
        assert!(absolute("relative").is_err());
        assert!(joined(Path::new("/"), "a\nb").is_err());
    }

    #[test]
    fn addresses() {
        assert_eq!(base_url("http://127.0.0.1:8080/traefik/").as_deref(), Ok("http://127.0.0.1:8080/traefik"));
        assert_eq!(origin("https://127.0.0.1:8443/").as_deref(), Ok("https://127.0.0.1:8443"));
        assert!(origin("https://127.0.0.1/x").is_err() && base_url("http://h?x").is_err());
    }
}
