//! One check over everything that a run of the action told: outputs, their JSON, job summary, comment, GitHub's
//! deployment, log and exit code say the same. Every end-to-end test of the action ends in it.
//!
//! Each place is read back here by a parser of its own: nothing is shared with what wrote it.

mod read;
mod tests;

use std::collections::BTreeMap;

use kit::bed::Output;
use kit::github::GitHubDouble;
use kit::runner::Told;
use serde_json::Value;

use read::{Says, said_in_log, said_in_markdown, said_in_outputs, said_in_result_json, said_in_status};

/// Everything that one run left behind. What a way of running does not show is absent.
#[derive(Debug, Clone)]
struct Left {
    code: i32,
    stdout: String,
    outputs: BTreeMap<String, String>,
    summary: Option<String>,
    comment: Option<String>,
    /// The last status of its deployment.
    status: Option<Value>,
}

/// Checks a step that a runner would have run. What GitHub did not take, as the log says it, is left out.
#[track_caller]
pub(crate) fn agree(told: &Told, github: &GitHubDouble) {
    let (code, stdout) = (told.code, told.stdout.clone());
    let left = Left {
        code,
        stdout,
        outputs: told.outputs.clone(),
        summary: Some(told.summary.clone()),
        comment: None,
        status: None,
    };
    assert_agrees(left.with(github, run_link(&told.summary)), &told.log());
}

/// Checks what `act` shows of the one step of ours in a run: its log with the outputs that it took. Every run of act has
/// the same number, so the caller names the pull request whose comment the run wrote last, where it wrote one.
#[track_caller]
pub(crate) fn agree_in_act(ran: &Output, github: &GitHubDouble, pull_request: Option<u64>) {
    // `[workflow/job]   | a line of the step`, and `[workflow/job]   ⚙  ::set-output:: name=value`.
    let lines = ran.stdout.lines().filter_map(|line| Some(line.split_once("] ")?.1.trim_start()));
    let stdout: Vec<&str> = lines.clone().filter_map(|line| line.strip_prefix("| ")).collect();
    let outputs = lines.filter_map(|line| line.split_once("::set-output:: ")?.1.split_once('='));
    let outputs: BTreeMap<String, String> = outputs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let last = stdout.iter().rposition(|line| line.starts_with("result: ")).map_or(0, |at| at + 1);
    let deployed = outputs.get("deployment-id").is_some_and(|id| !id.is_empty());
    let left = Left {
        code: ran.code,
        stdout: stdout[..last].join("\n"),
        summary: None,
        comment: pull_request.and_then(|number| Some(github.comments(number).pop()?.1)),
        status: github.deployments().pop().filter(|_| deployed).and_then(|(_, mut statuses)| statuses.pop()),
        outputs,
    };
    assert_agrees(left, &ran.stdout);
}

#[track_caller]
fn assert_agrees(left: Left, log: &str) {
    if let Err(difference) = left.check() {
        panic!("{difference}\n{left:#?}\n{log}");
    }
}

/// By which a comment and a deployment are known as the run's.
fn run_link(summary: &str) -> Option<String> {
    Some(summary.split_once("[Run](")?.1.split_once(')')?.0.to_owned())
}

fn log_url(status: &Value) -> Option<String> {
    Some(status["log_url"].as_str()?.to_owned())
}

impl Left {
    /// With what is at GitHub of that run, and was not said to be missing there.
    fn with(mut self, github: &GitHubDouble, link: Option<String>) -> Self {
        let Some(link) = link.filter(|link| !link.is_empty()) else { return self };
        let unreported = |what: &str| {
            let all = "not reported: GitHub did not take the whole report";
            self.stdout.lines().any(|line| line.starts_with(all) || line.starts_with(&format!("not reported: {what}")))
        };
        if !unreported("the comment") {
            let of_run = |(_, text): &(String, String)| text.contains(&format!("[Run]({link})"));
            let comments = (1..=9).flat_map(|number| github.comments(number));
            self.comment = comments.filter(of_run).map(|(_, text)| text).next_back();
        }
        if !unreported("GitHub shows no deployment") && !unreported("GitHub does not show the deployment") {
            let deployments = github.deployments();
            let mut last = deployments.iter().filter_map(|(_, statuses)| statuses.last());
            self.status = last.rfind(|status| log_url(status).as_ref() == Some(&link)).cloned();
        }
        self
    }

    fn check(&self) -> Result<(), String> {
        let said = said_in_log(&self.stdout).ok_or("the log does not end with what the run came to")?;
        let same = |place: &str, other: Option<Says>| match other {
            Some(other) if other == said => Ok(()),
            other => Err(format!("the log says {said:?}, {place} {other:?}")),
        };
        same("the outputs", said_in_outputs(&self.outputs))?;
        same("result-json", said_in_result_json(&self.outputs))?;
        for (place, text) in [("the summary", &self.summary), ("the comment", &self.comment)] {
            if let Some(text) = text {
                same(place, said_in_markdown(text)?)?;
            }
        }
        if let Some(status) = &self.status {
            same("GitHub's deployment", said_in_status(status)?)?;
        }
        self.check_code(&said)
    }

    /// Exit code, `changed`, reason and annotation are those of the outcome.
    fn check_code(&self, said: &Says) -> Result<(), String> {
        let changed = self.outputs.get("changed").map_or("", String::as_str);
        let (codes, changes): (&[i32], &[&str]) = match said.outcome.as_str() {
            "deployed" => (&[0], &["true"]),
            "unchanged" | "skipped" => (&[0], &["false"]),
            "planned" => (&[0], &["true", "unknown"]),
            "rolled_back" => (&[30], &["false"]),
            "stranded" => (&[31], &["true"]),
            "cancelled" => (&[40], &["false"]),
            "failed" => (&[2, 10, 11, 12, 13, 20, 21, 32, 50, 70], &["false"]),
            "unknown" => (&[13, 31, 32, 40, 70], &["true", "unknown"]),
            other => return Err(format!("`{other}` is not an outcome")),
        };
        if !codes.contains(&self.code) || !changes.contains(&changed) {
            return Err(format!("`{}` does not end with {} and changed={changed}", said.outcome, self.code));
        }
        let document = read::result_json(&self.outputs);
        if document["exit_code"] != self.code {
            return Err(format!("exit code {}, and result-json says {}", self.code, document["exit_code"]));
        }
        let annotations = self.stdout.lines().filter(|line| line.starts_with("::error title="));
        let annotations: Vec<&str> = annotations.filter(|line| line.contains(&said.reason)).collect();
        if (self.code == 0) != said.reason.is_empty() || (self.code != 0) != (annotations.len() == 1) {
            return Err(format!("exit code {}, reason `{}`, annotations {annotations:?}", self.code, said.reason));
        }
        let ends = format!("  reason: {} (exit code {})", said.reason, self.code);
        if self.code != 0 && !self.stdout.lines().any(|line| line == ends) {
            return Err(format!("the log's error does not end with `{ends}`"));
        }
        Ok(())
    }
}
