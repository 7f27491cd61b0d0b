//! What the demo prints.

use std::io::{self, IsTerminal, Write};

use super::comment::visible;
use super::forge::PULL_REQUEST;
use super::step::Played;

/// One line, at once. Nobody reading any more is no reason to stop.
pub(super) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// The title of a part.
pub(super) fn heading(text: &str) {
    say("");
    say(&bold(text));
}

/// A command as it is typed.
pub(super) fn command(typed: &str) {
    say(&format!("  {}", bold(&format!("$ {typed}"))));
}

/// What a command printed.
pub(super) fn block(text: &str) {
    text.lines().for_each(|line| say(&format!("  | {line}")));
}

/// The books of a step in one line.
pub(super) fn requests(step: &Played) -> String {
    let versions: Vec<String> =
        step.load.by_version.iter().map(|(version, count)| format!("{version} {count}")).collect();
    format!(
        "{} requests in {:.1} s, {} failed; answered by {}",
        step.load.sent,
        step.load.seconds,
        step.load.failed,
        versions.join(", ")
    )
}

/// The comment on the pull request.
pub(super) fn comment(text: &str) {
    heading(&format!("The comment on pull request {PULL_REQUEST}: made for v2, edited for v3"));
    block(&visible(text).join("\n"));
}

/// Everything once more, and whether it is as promised.
pub(super) fn summary(steps: &[Played], broken: &[String]) {
    heading("What happened");
    say("  step        requests   failed   slowest   took     answered by");
    for step in steps {
        let versions: Vec<String> = step.load.by_version.keys().cloned().collect();
        say(&format!(
            "  {:<10} {:>9} {:>8} {:>6.0} ms {:>5.1} s     {}",
            step.name,
            step.load.sent,
            step.load.failed,
            step.load.latency_ms.max,
            step.took.as_secs_f64(),
            versions.join(", ")
        ));
    }
    say("\n  time per phase, in milliseconds");
    for step in steps {
        let phases: Vec<String> = step.phases.iter().map(|(phase, ms)| format!("{phase} {ms}")).collect();
        say(&format!("  {:<10} {}", step.name, phases.join(", ")));
    }
    say("");
    if broken.is_empty() {
        say(&bold("Every promise held: no request failed, and the broken version answered none."));
    }
    for sentence in broken {
        say(&bold(&format!("PROMISE BROKEN  {sentence}")));
    }
}

fn bold(text: &str) -> String {
    if io::stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}
