//! Runs that end before it is known what is to be done where: the runner's files tell it as they tell every other end.
//!
//! Nothing is said at GitHub: a comment is found again by application and environment, and what is wrong may be what
//! would name them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{SHOWN, state};
use crate::domain::{EnvName, one_line};
use crate::env::{EnvVar, GITHUB_OUTPUT, GITHUB_STEP_SUMMARY};
use crate::failure::Failure;
use crate::report::{Conclusion, Early, Files, Out, failed, last_line};

/// Writes outputs and summary, and the log's last lines; the post step has nothing to close. `why` is a failure, or a sentence why nothing is done.
pub(super) fn end(vars: &BTreeMap<String, String>, why: Result<&'static str, &Failure>) {
    state::keep_closed(vars);
    let environment = given(vars, "INPUT_ENVIRONMENT").and_then(|name| name.parse().ok());
    let early = Early { environment: environment.as_ref(), why };
    for sentence in files(vars).write(&early.outputs(), &early.summary()) {
        Out.text(&format!("not reported: {}\n", one_line(&sentence, SHOWN)));
    }
    last_words(&early.conclusion(), early.environment, why.err());
}

/// The runner's files, where it gives any.
pub(super) fn files(vars: &BTreeMap<String, String>) -> Files {
    let file = |var: EnvVar| given(vars, var.name).map(PathBuf::from);
    Files { output: file(GITHUB_OUTPUT), summary: file(GITHUB_STEP_SUMMARY) }
}

fn given<'a>(vars: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}

/// The end of the log: the failure, the same as an annotation, and the line that says what the run came to. All on one
/// stream, so that nothing comes after that line.
pub(super) fn last_words(conclusion: &Conclusion, environment: Option<&EnvName>, failure: Option<&Failure>) {
    if let Some(failure) = failure {
        Out.text(&failure.render());
        Out.text(&failed(conclusion, environment, failure));
    }
    Out.text(&last_line(conclusion, environment));
}
