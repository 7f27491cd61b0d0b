//! Events as lines for people, as they come.
//!
//! Containers write what they like: each of their lines becomes one line behind a mark, so that none of it can move the
//! cursor, colour the rest, or be taken for a workflow command.

use std::time::Duration;

use super::{Conclusion, LINE};
use crate::domain::{EnvName, one_line, show_span};
use crate::event::{ContainerReport, DeployEvent, Stamped};

/// The lines for one event, each ended by a line break; empty for kinds that this version does not know.
#[must_use]
pub fn lines(stamped: &Stamped) -> String {
    let mut out = String::new();
    let time = stamped.at.strftime("%H:%M:%S").to_string();
    let mut line = |text: String| out.push_str(&format!("{time}  {}\n", one_line(&text, LINE)));
    match &stamped.event {
        DeployEvent::Accepted { deployment, image, .. } => {
            line(format!("accepted as deployment `{deployment}`: {image}"))
        }
        DeployEvent::PhaseStarted { phase } => line(format!("{:<7} …", phase.as_str())),
        DeployEvent::PhaseFinished { phase, took_ms } => {
            line(format!("{:<7} done in {}", phase.as_str(), span(*took_ms)));
        }
        DeployEvent::BuildLine { text } => line(format!("build | {text}")),
        DeployEvent::Built { image_id } => line(format!("built {image_id}")),
        DeployEvent::Pushed { image } => line(format!("the registry has {image}")),
        DeployEvent::Problem { file, line: Some(number), message } => line(format!("{file}:{number}: {message}")),
        DeployEvent::Problem { file, line: None, message } => line(format!("{file}: {message}")),
        DeployEvent::Note { text } => line(format!("note: {text}")),
        DeployEvent::Switched => line("traffic goes to the new version".to_owned()),
        DeployEvent::Proven { release } => line(format!("proven: release {release} answers through the entry point")),
        DeployEvent::Progress { weight, desired, running, failed, stage, left_s } => {
            line(progress(*weight, (*running, *desired, *failed), stage, *left_s));
        }
        DeployEvent::Finding { text } => line(format!("why: {text}")),
        DeployEvent::Drained { open: 0, took_ms } => {
            line(format!("the old version is drained after {}", span(*took_ms)))
        }
        DeployEvent::Drained { open, took_ms } => {
            let connections = if *open == 1 { "1 connection".to_owned() } else { format!("{open} connections") };
            line(format!("the old version still has {connections} after {}; they are cut", span(*took_ms)));
        }
        DeployEvent::Diagnosis { container } => {
            for text in diagnosis(container) {
                line(text);
            }
        }
        DeployEvent::Finished { outcome, message, .. } => line(format!("{}: {message}", outcome.as_str())),
        DeployEvent::Unknown => {}
    }
    out
}

/// The last line of the action's log.
#[must_use]
pub fn last_line(conclusion: &Conclusion, environment: Option<&EnvName>) -> String {
    let environment = environment.map(|name| format!(", environment {name}")).unwrap_or_default();
    format!("result: {}{environment}\n", conclusion.sentence())
}

/// `  10 % | 2 of 2 tasks run | AllowTraffic | 5 min 0 s left`
fn progress(weight: Option<f64>, tasks: (u64, u64, u64), stage: &str, left_s: Option<u64>) -> String {
    let (running, desired, failed) = tasks;
    let weight = weight.map(|weight| format!("{weight:>4} % of the traffic | ")).unwrap_or_default();
    let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let left = left_s.map(|left| format!(" | {} left", show_span(Duration::from_secs(left)))).unwrap_or_default();
    format!("{weight}{running} of {desired} new tasks run{failed} | {stage}{left}")
}

fn span(milliseconds: u64) -> String {
    show_span(Duration::from_millis(milliseconds))
}

fn diagnosis(container: &ContainerReport) -> Vec<String> {
    let mut first = format!("container `{}` is `{}`", container.name, container.state);
    if let Some(health) = &container.health {
        first.push_str(&format!(", health `{health}`"));
    }
    if let Some(code) = container.exit_code {
        first.push_str(&format!(", exit code {code}"));
    }
    if let Some(meaning) = &container.meaning {
        first.push_str(&format!(" ({meaning})"));
    }
    let mut all = vec![first];
    all.extend(container.error.as_ref().map(|error| format!("  reported: {error}")));
    if container.log.is_empty() {
        all.push("  it logged nothing".to_owned());
    } else {
        all.push("  last lines of its log:".to_owned());
        all.extend(container.log.iter().map(|text| format!("  | {text}")));
    }
    all
}
