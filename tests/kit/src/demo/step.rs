//! One step: its plan, then the command under load.

use std::time::Duration;

use super::progress::{Speech, follow};
use super::show::{self, say};
use super::stage::{HOST, Stage};
use super::{events, log};
use crate::bed::{AppImage, BedError, Result, wait_for};
use crate::load::{Load, LoadConfig, Report};

/// The load begins so long before the command and ends so long after it.
pub(super) const MARGIN: Duration = Duration::from_secs(2);
/// Longest wait for anything that takes a moment.
const LONG: Duration = Duration::from_secs(30);

/// What is done, and how it must end.
#[derive(Debug)]
pub(super) struct Step {
    /// Its key in the JSON file.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) verb: Verb,
    pub(super) expected: Expected,
}

/// What sets a deployment off.
#[derive(Debug)]
pub(super) enum Verb {
    /// The push of a commit that holds this version.
    Push(AppImage),
    /// The way back, from a shell.
    Rollback,
}

/// How a step must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) exit_code: i32,
    /// The version that answers everything in the last second.
    pub(super) serving: &'static str,
    /// A version that must not answer a single request.
    pub(super) silent: Option<&'static str>,
}

/// How a step went.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) name: &'static str,
    pub(super) expected: Expected,
    pub(super) exit_code: i32,
    pub(super) load: Report,
    /// Seconds of load before the command began and after it ended.
    pub(super) margins: (f64, f64),
    /// How long the command took.
    pub(super) took: Duration,
    /// Milliseconds by phase, in the order in which they ended.
    pub(super) phases: Vec<(String, u64)>,
    /// Containers of the service at the end.
    pub(super) containers: usize,
    /// The comments on the pull request at the end.
    pub(super) comments: Vec<String>,
}

/// What set the deployment off, once it ended.
struct Ended {
    exit_code: i32,
    phases: Vec<(String, u64)>,
}

impl Step {
    pub(super) fn play(&self, stage: &mut Stage, rate: u32) -> Result<Played> {
        show::heading(self.title);
        let commit = match &self.verb {
            Verb::Push(image) => Some(stage.forge.commit(&stage.bed, image)?),
            Verb::Rollback => {
                let plan = ["plan", "production", "--rollback"];
                show::command(&format!("deploy-action {}", plan.join(" ")));
                show::block(&stage.bed.deploy_action(&plan)?.ok("the plan")?);
                None
            }
        };
        let load = Load::start(LoadConfig::new(stage.bed.proxy.web_for_load()?, HOST, rate));
        wait_for("the load to run for a while", LONG, || load.elapsed() > MARGIN && load.ok_so_far() > 0)?;
        let before = load.elapsed();
        let ended = match commit {
            Some(commit) => push(stage, &commit)?,
            None => rollback(stage)?,
        };
        let after = load.elapsed();

        // The old containers are stopped once the command has ended: that must not fail a request either.
        let containers = || stage.bed.containers_of("web").map_or(0, |found| found.len());
        let _ = wait_for("one container to be left", LONG, || containers() == 1);
        wait_for("the load to run on", LONG, || load.elapsed() > after + MARGIN)?;
        let containers = containers();
        let load = load.stop();
        load.check_books().map_err(|error| BedError::new(format!("demo: the load says nothing: {error}")))?;
        let margins = (before.as_secs_f64(), load.seconds - after.as_secs_f64());
        let took = after - before;
        let (name, expected) = (self.name, self.expected);
        let Ended { exit_code, phases } = ended;
        let comments = stage.forge.comments();
        let played = Played { name, expected, exit_code, load, margins, took, phases, containers, comments };
        say(&format!("  {}", show::requests(&played)));
        Ok(played)
    }
}

/// A push, as a runner meets it.
fn push(stage: &mut Stage, commit: &str) -> Result<Ended> {
    let (how, speech) = if stage.forge.under_act() { ("act push", Speech::Act) } else { ("git push", Speech::Log) };
    show::command(&format!("{how}   # commit {}", commit.get(..12).unwrap_or(commit)));
    let run = stage.forge.push(&stage.bed, &stage.program, commit)?;
    let (code, lines) = follow(&stage.bed, run.command, speech)?;
    let result = run.outputs.result(&lines)?;
    let exit_code = result["exit_code"].as_i64().and_then(|code| i32::try_from(code).ok()).unwrap_or(-1);
    // A step's own code is the result's; act ends with 1 whatever failed.
    if code != exit_code && (code == 0) != (exit_code == 0) {
        return Err(BedError::new(format!("demo: the run ended with {code}, its result says {exit_code}")));
    }
    say(&format!("           exit code {exit_code}"));
    Ok(Ended { exit_code, phases: log::phases(&lines, &result) })
}

/// From a shell, as somebody in need would do it.
fn rollback(stage: &Stage) -> Result<Ended> {
    show::command("deploy-action rollback production");
    let command = stage.bed.command(&["rollback", "production", "--format", "json", "--timeout", "2m"])?;
    let (exit_code, lines) = follow(&stage.bed, command, Speech::Events)?;
    Ok(Ended { exit_code, phases: events::phases(&lines) })
}
