//! What is known before there is a plan: for a log, and for a comment or a job summary.

use super::{BLOCKED, LINE, markdown_code, markdown_prose, version};
use crate::domain::one_line;
use crate::plan::preview::{Origin, Preview, Running};
use crate::plan::{Mark, Place};

/// Renders it as lines.
#[must_use]
pub fn preview_text(preview: &Preview) -> String {
    let mut out = format!("{}: {}/{} at {}\n", preview.environment, preview.app, preview.service, preview.place);
    let mut line = |text: String| {
        out.push_str(&one_line(&text, LINE));
        out.push('\n');
    };
    line(format!("  running  {}", running(preview)));
    let steps = steps(preview);
    if !steps.is_empty() {
        line("  steps".to_owned());
    }
    for (mark, step, what) in steps {
        line(format!("    {} {step:<7} {what}", mark.sign()));
    }
    super::text::blockers(&preview.blockers).into_iter().for_each(&mut line);
    line(format!("  {}", verdict(preview)));
    out
}

/// Renders it as GitHub-flavoured markdown. All text that is not ours goes through `escape`.
#[must_use]
pub fn preview_markdown(preview: &Preview) -> String {
    let service = format!("{}/{}", preview.app, preview.service);
    let mut out = format!(
        "### {}: {}\n\n{}\n\n| | version |\n|---|---|\n| running | {} |\n",
        markdown_code(preview.environment.as_str()),
        markdown_code(&service),
        verdict(preview),
        markdown_code(&running(preview)),
    );
    let steps = steps(preview);
    if !steps.is_empty() {
        out.push_str("\n| | step | what happens |\n|---|---|---|\n");
    }
    for (mark, step, what) in steps {
        out.push_str(&format!(
            "| {} | {step} | {} |\n",
            markdown_code(&mark.sign().to_string()),
            markdown_prose(&what)
        ));
    }
    out.push_str(&super::markdown::blockers(&preview.blockers));
    out
}

fn verdict(preview: &Preview) -> &'static str {
    if !preview.blockers.is_empty() {
        return BLOCKED;
    }
    match (&preview.running, &preview.image) {
        (Running::NotAsked(_), _) => "A deployment would do this; what it changes is not known here.",
        (Running::Known(_), Origin::Build { .. }) => {
            "The image is not built yet: the rest of the plan is known after the push."
        }
        (Running::Known(_), Origin::Given(_)) => "A deployment would do this.",
    }
}

fn running(preview: &Preview) -> String {
    match &preview.running {
        Running::Known(running) => version(running.as_ref(), "nothing"),
        Running::NotAsked(why) => format!("not known: {why}"),
    }
}

/// None where nothing will be done.
fn steps(preview: &Preview) -> Vec<(Mark, &'static str, String)> {
    let mut all = Vec::new();
    if !preview.blockers.is_empty() {
        return all;
    }
    let image = match &preview.image {
        Origin::Build { commit, dockerfile, target, args, name } => {
            let target = target.as_ref().map(|target| format!(", stage {target}")).unwrap_or_default();
            let args = if args.is_empty() { String::new() } else { format!(", arguments {}", args.join(", ")) };
            all.push((Mark::Add, "build", format!("commit {} with {dockerfile}{target}{args}", commit.short())));
            all.push((Mark::Add, "push", name.clone()));
            "the digest that the registry then has".to_owned()
        }
        Origin::Given(image) => image.clone(),
    };
    let by = match &preview.place {
        Place::Agent(url) => format!("by the agent at {url}"),
        place @ Place::Ecs { .. } => format!("in {place}"),
    };
    all.push((Mark::Change, "deploy", format!("{} runs {image}, {}", preview.service, by)));
    all
}
