//! Problems as annotations on their line.

use super::escape::{data, property};
use crate::event::{DeployEvent, Stamped};
use crate::yaml::Problems;

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

/// The workflow commands for everything that is wrong in a file.
#[must_use]
pub fn problems(problems: &Problems) -> String {
    let all = problems.list().iter().map(|problem| {
        let hint = problem.hint.as_deref().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        annotation(&Annotation {
            file: problems.file(),
            line: u64::try_from(problem.at.line).ok(),
            title: "configuration",
            message: &format!("{}{hint}", problem.message),
        })
    });
    all.collect()
}

/// The workflow command for an event that is about a file of the repository; empty for every other one.
#[must_use]
pub fn problem(stamped: &Stamped) -> String {
    let DeployEvent::Problem { file, line, message } = &stamped.event else { return String::new() };
    annotation(&Annotation { file, line: *line, title: "build", message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_about_a_file_are_annotations() {
        let event = |event| Stamped { seq: 1, at: "2026-03-01T10:00:00Z".parse().unwrap(), event };
        let bad =
            DeployEvent::Problem { file: "Dockerfile".to_owned(), line: Some(4), message: "no\r\nway".to_owned() };
        assert_eq!(problem(&event(bad)), "::error file=Dockerfile,line=4,title=build::no%0Away\n");
        assert_eq!(problem(&event(DeployEvent::Switched)), "");
    }

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
