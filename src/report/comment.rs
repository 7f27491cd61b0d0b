//! The comment on a pull request. All text that is not ours goes through `markdown_prose` or `markdown_code`.

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::story::{Story, Told, Verdict};
use crate::domain::{ImageRef, show_span};
use crate::event::ContainerReport;
use crate::plan::Version;
use crate::plan::render::{markdown, markdown_code, markdown_prose, preview_markdown};

/// Longest comment that GitHub takes, in characters.
pub(super) const LONGEST: usize = 65_536;
/// Longest plan that is shown, in characters; blockers and notes can make it long.
const LONGEST_PLAN: usize = 30_000;
/// Most lines of a failure's sentence that are shown: many things can be wrong with a configuration.
const LONGEST_WHY: usize = 40;

/// What the headlines begin with that are not a run's last word.
const RUNNING: &str = "⏳";
const LET_GO: &str = "⏹️ Run cancelled";
const LOST: &str = "❓ Deployment";

/// The first line of the comment of one service in one environment, by which it is found again. Jobs of one run may deploy
/// several services at the same time.
#[must_use]
pub fn marker(story: &Story) -> String {
    let Story { app, environment, service, .. } = story;
    format!("<!-- deploy-action:{app}:{environment}:{service} -->")
}

/// The whole comment, marker first, at most the 65,536 characters that GitHub takes: where it does not fit, the oldest lines of the
/// diagnosis go.
#[must_use]
pub fn comment(story: &Story) -> String {
    let marker = marker(story);
    let room = LONGEST - marker.chars().count() - 1;
    format!("{marker}\n{}", body(story, room))
}

/// Whether a comment of ours says that its run goes on, or that its end is not known: then somebody has to tell the end.
pub(super) fn is_open(comment: &str) -> bool {
    let headline = comment.lines().find_map(|line| line.strip_prefix("### ")).unwrap_or_default();
    [RUNNING, LET_GO, LOST].iter().any(|begin| headline.starts_with(begin))
}

/// Whether a comment of ours is about the run with this page.
pub(super) fn is_of(comment: &str, run_url: &str) -> bool {
    comment.contains(&format!("[Run]({})", link(run_url)))
}

/// The report without the marker, at most `room` characters.
pub(super) fn body(story: &Story, room: usize) -> String {
    let head = head(story);
    let foot = foot(story);
    let mut lines: Vec<String> = story.findings.iter().map(|text| format!("{}<br>", markdown_prose(text))).collect();
    lines.extend(story.containers.iter().flat_map(diagnosis));
    if story.build_failed() {
        lines.extend(story.build.iter().map(|line| format!("{}<br>", markdown_code(line))));
    }
    let room = room.saturating_sub(head.chars().count() + foot.chars().count());
    format!("{head}{}{foot}", details(&lines, room))
}

fn head(story: &Story) -> String {
    let mut out = format!("### {}\n\n", headline(story));
    let planned = story.verdict() == Verdict::Planned;
    let nothing_known = story.plan_only && story.plan.is_none();
    if !planned && !nothing_known {
        out.push_str(&table(story));
    }
    if let Some(told) = story.ended.as_ref().and_then(|ended| ended.failure.as_ref()) {
        out.push_str(&why(told));
    }
    if let Some(preview) = story.preview.as_ref().filter(|_| story.plan.is_none()) {
        let text = preview_markdown(preview);
        match (planned, blocked(story)) {
            (true, _) => out.push_str(&text),
            (false, true) => out.push_str(&folded(&text, true)),
            (false, false) => {}
        }
    }
    if let Some(plan) = &story.plan {
        let text = markdown(plan);
        let text =
            if text.chars().count() > LONGEST_PLAN { "The plan is too long to be shown here.\n".into() } else { text };
        if planned {
            out.push_str(&text);
        } else {
            // The blockers say what to change.
            out.push_str(&folded(&text, blocked(story)));
        }
    }
    if !story.model.phases.is_empty() {
        out.push_str("\n| phase | time |\n|---|---|\n");
        for (phase, took) in &story.model.phases {
            out.push_str(&format!("| {} | {} |\n", phase.as_str(), show_span(Duration::from_millis(*took))));
        }
    }
    out
}

/// Why it failed, and what to do about it.
pub(super) fn why(told: &Told) -> String {
    let reason = markdown_code(told.reason.as_str());
    let message: Vec<String> = told.message.lines().take(LONGEST_WHY).map(markdown_prose).collect();
    let message = message.join("<br>\n");
    let hint = told.hint.as_ref().map(|hint| format!("\n**What to do:** {}\n", markdown_prose(hint)));
    format!("\n**Why:** {message} ({reason})\n{}", hint.unwrap_or_default())
}

fn folded(plan: &str, open: bool) -> String {
    let open = if open { " open" } else { "" };
    format!("\n<details{open}><summary>Plan</summary>\n\n{plan}\n</details>\n")
}

fn blocked(story: &Story) -> bool {
    let blockers = match (&story.plan, &story.preview) {
        (Some(plan), _) => &plan.blockers,
        (None, Some(preview)) => &preview.blockers,
        (None, None) => return false,
    };
    !blockers.is_empty()
}

fn headline(story: &Story) -> String {
    let environment = markdown_code(story.environment.as_str());
    let release = story.model.release.or(story.model.proven).map(|number| format!(": release {number} serves"));
    match story.verdict() {
        Verdict::Running if story.plan_only => format!("{RUNNING} Planning for {environment}"),
        Verdict::Running => {
            let phase = story.model.current.map(|phase| format!(": {}", phase.as_str())).unwrap_or_default();
            format!("{RUNNING} Deploying to {environment}{phase}")
        }
        Verdict::Planned => match &story.plan {
            Some(plan) if !plan.blockers.is_empty() => format!("🚫 Plan for {environment}: blocked"),
            Some(_) => format!("📋 Plan for {environment}"),
            None => format!("📋 Plan for {environment}, as far as it is known"),
        },
        Verdict::Deployed => format!("✅ Deployed to {environment}{}", release.unwrap_or_default()),
        Verdict::NothingToDo => format!("✅ Nothing to do for {environment}: what is wanted runs"),
        Verdict::RolledBack => format!("❌ Deployment to {environment} failed: the version from before serves"),
        Verdict::Stranded => format!("🚨 Deployment to {environment} failed and was not undone: a person must look"),
        Verdict::Cancelled if story.plan_only => format!("⏹️ Plan for {environment} cancelled"),
        Verdict::Cancelled => format!("⏹️ Deployment to {environment} cancelled: the version from before serves"),
        Verdict::Superseded => format!("⏭️ Deployment to {environment} was superseded: another one took its place"),
        Verdict::LetGo => format!("{LET_GO}: the deployment to {environment} goes on without it"),
        Verdict::Failed if story.plan_only && blocked(story) => format!("🚫 Plan for {environment}: blocked"),
        Verdict::Failed if story.plan_only => format!("❌ No plan for {environment}"),
        Verdict::Failed if blocked(story) => format!("🚫 Deployment to {environment} is blocked: nothing was changed"),
        Verdict::Failed => format!("❌ Deployment to {environment} failed: nothing was changed there"),
        Verdict::Lost => format!("{LOST} to {environment}: how it ended is not known"),
    }
}

fn table(story: &Story) -> String {
    let plan = story.plan.as_ref();
    let version = |version: Option<&Version>| version.map_or_else(|| "–".to_owned(), show);
    let conclusion = story.conclusion();
    let none = || "–".to_owned();
    let release = conclusion.release.map_or_else(none, |number| number.to_string());
    let serving = conclusion.image.map_or_else(none, |image| markdown_code(&short(&image)));
    format!(
        "| environment | running before | wanted | serving release | serving digest |\n|---|---|---|---|---|\n| {} | {} | {} | {release} | {serving} |\n",
        markdown_code(story.environment.as_str()),
        version(plan.and_then(|plan| plan.running.as_ref())),
        version(plan.and_then(|plan| plan.wanted.as_ref())),
    )
}

fn show(version: &Version) -> String {
    let release = version.release.map(|number| format!("release {number}, ")).unwrap_or_default();
    format!("{release}{}", markdown_code(&digest(version)))
}

fn digest(version: &Version) -> String {
    match (&version.image, &version.image_id) {
        (Some(image), _) => format!("sha256:{}", image.digest().short()),
        (None, Some(id)) => short(id),
        (None, None) => "an unknown image".to_owned(),
    }
}

/// The digest's first digits; an engine's image id likewise.
fn short(image: &str) -> String {
    match image.parse::<ImageRef>() {
        Ok(image) => format!("sha256:{}", image.digest().short()),
        Err(_) => image.chars().take(19).collect(),
    }
}

fn foot(story: &Story) -> String {
    let deployment = story
        .model
        .deployment
        .as_ref()
        .map(|id| format!(", deployment {}", markdown_code(id.as_str())))
        .unwrap_or_default();
    let result = story.ended.as_ref().map(|_| format!("Result: {}. ", markdown_code(&story.conclusion().sentence())));
    let open = story.url.as_ref().map(|url| format!(" [Open]({}).", link(&url.to_string()))).unwrap_or_default();
    format!(
        "\n<sub>{}Commit {}{deployment}.{open} [Run]({})</sub>\n",
        result.unwrap_or_default(),
        markdown_code(story.commit.short()),
        link(&story.run_url)
    )
}

/// The address of the run is GitHub's own; the escape keeps it one even if it is not.
fn link(url: &str) -> String {
    url.replace(['(', ')', '<', '>', ' ', '\n', '\r'], "")
}

/// A container's look and its log, a line each.
fn diagnosis(container: &ContainerReport) -> Vec<String> {
    let mut first = format!("**Container** {}: {}", markdown_code(&container.name), markdown_prose(&container.state));
    if let Some(health) = &container.health {
        first.push_str(&format!(", health {}", markdown_prose(health)));
    }
    if let Some(code) = container.exit_code {
        first.push_str(&format!(", exit code {code}"));
    }
    if let Some(meaning) = &container.meaning {
        first.push_str(&format!(", {}", markdown_prose(meaning)));
    }
    let mut lines = vec![format!("{first}<br>")];
    lines.extend(container.error.iter().map(|error| format!("Reported: {}<br>", markdown_code(error))));
    lines.extend(container.log.iter().map(|line| format!("{}<br>", markdown_code(line))));
    lines
}

/// The block that holds the lines, with the last of them that fit.
fn details(lines: &[String], room: usize) -> String {
    const OPEN: &str = "\n<details><summary>Diagnosis</summary>\n\n";
    const CLOSE: &str = "\n</details>\n";
    const LEFT_OUT: usize = 60;
    if lines.is_empty() {
        return String::new();
    }
    let mut room = room.saturating_sub(OPEN.len() + CLOSE.len() + LEFT_OUT);
    let fits = |line: &&String| {
        let length = line.chars().count() + 1;
        let fits = length <= room;
        room = if fits { room - length } else { 0 };
        fits
    };
    let kept = lines.iter().rev().take_while(fits).count();
    let dropped = lines.len() - kept;
    let note = if dropped == 0 { String::new() } else { format!("*{dropped} earlier lines are left out.*<br>\n") };
    format!("{OPEN}{note}{}\n{CLOSE}", lines[dropped..].join("\n"))
}
