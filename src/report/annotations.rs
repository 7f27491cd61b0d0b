//! Problems as annotations on their line.

use super::escape::{data, property};

/// A problem and its place in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// Path from the repository's root.
    pub file: &'a str,
    /// The line, from 1, where it is known.
    pub line: Option<u64>,
    /// What it is about, in a few words.
    pub title: &'a str,
    /// The sentences. May hold text from outside.
    pub message: &'a str,
}

/// The workflow command for one problem, with a line break at its end.
#[must_use]
pub fn annotation(annotation: &Annotation<'_>) -> String {
    let line = annotation.line.map(|line| format!(",line={line}")).unwrap_or_default();
    format!(
        "::error file={}{line},title={}::{}\n",
        property(annotation.file),
        property(annotation.title),
        data(annotation.message)
    )
}

/// The workflow command for a sentence that asks for attention and fails nothing.
#[must_use]
pub fn warning(message: &str) -> String {
    format!("::warning::{}\n", data(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_one_command() {
        let hostile =
            Annotation { file: "a,b:c", line: Some(3), title: "x::y", message: "50%\n::set-output name=x::y" };
        assert_eq!(
            annotation(&hostile),
            "::error file=a%2Cb%3Ac,line=3,title=x%3A%3Ay::50%25%0A::set-output name=x::y\n"
        );
        let plain = Annotation { file: "deploy.yml", line: None, title: "config", message: "`app` is missing" };
        assert_eq!(annotation(&plain), "::error file=deploy.yml,title=config::`app` is missing\n");
    }
}
