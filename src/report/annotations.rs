//! Problems as annotations on their line.

use super::conclusion::Conclusion;
use super::escape::{data, property};
use super::story::Told;
use crate::domain::{EnvName, Reason};
use crate::failure::Failure;

/// Longest message that a runner keeps, in characters.
const LONGEST: usize = 4_096;

/// A problem and its place in the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation<'a> {
    /// Path from the repository's root; absent where the problem is in no file.
    pub file: Option<&'a str>,
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
    let file = annotation.file.map(|file| format!("file={},", property(file))).unwrap_or_default();
    let line = annotation.line.map(|line| format!("line={line},")).unwrap_or_default();
    let message: String = annotation.message.chars().take(LONGEST).collect();
    format!("::error {file}{line}title={}::{}\n", property(annotation.title), data(&message))
}

/// The command for what ended the run: the run's page shows why, and what to do.
#[must_use]
pub fn failed(conclusion: &Conclusion, environment: Option<&EnvName>, failure: &Failure) -> String {
    let mut told = Told::of(failure);
    if failure.reason == Reason::ConfigInvalid {
        // What is wrong in the file is annotated on its lines.
        told.message.truncate(told.message.find('\n').unwrap_or(told.message.len()));
    }
    let hint = told.hint.map(|hint| format!("\n{hint}")).unwrap_or_default();
    let reason = failure.reason;
    let title = match environment {
        Some(environment) => format!("{environment}: {} ({reason})", conclusion.outcome),
        None => format!("{} ({reason})", conclusion.outcome),
    };
    annotation(&Annotation { file: None, line: None, title: &title, message: &format!("{}{hint}", told.message) })
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
            Annotation { file: Some("a,b:c"), line: Some(3), title: "x::y", message: "50%\n::set-output name=x::y" };
        assert_eq!(
            annotation(&hostile),
            "::error file=a%2Cb%3Ac,line=3,title=x%3A%3Ay::50%25%0A::set-output name=x::y\n"
        );
        let plain = Annotation { file: Some("deploy.yml"), line: None, title: "config", message: "`app` is missing" };
        assert_eq!(annotation(&plain), "::error file=deploy.yml,title=config::`app` is missing\n");
    }

    #[test]
    fn a_failure_is_told_with_its_cause_and_hint() {
        let failure = Failure::new(Reason::KeyInvalid, "there is no key\n::error::x")
            .because(std::io::Error::other("50%"))
            .hint("make one");
        let conclusion = Conclusion::early(Some(&failure));
        let environment = "staging".parse().ok();
        assert_eq!(
            failed(&conclusion, environment.as_ref(), &failure),
            "::error title=staging%3A failed (key_invalid)::there is no key%0A::error::x: 50%25%0Amake one\n"
        );
        let config = Failure::new(Reason::ConfigInvalid, "`deploy.yml` has 2 problems\ndeploy.yml:1:1: x");
        assert_eq!(
            failed(&conclusion, None, &config),
            "::error title=failed (config_invalid)::`deploy.yml` has 2 problems\n"
        );
        let long = Failure::new(Reason::Bug, "%".repeat(9_000));
        assert_eq!(failed(&conclusion, None, &long).matches("%25").count(), 999, "each line is cut");
    }
}
