//! One step: its plan, then the command under load.

use std::time::Duration;

use super::progress;
use super::show::{self, say};
use super::stage::{HOST, Stage};
use crate::bed::{BedError, Result, wait_for};
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
    /// The command's arguments.
    pub(super) verb: Vec<String>,
    pub(super) expected: Expected,
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
}

impl Step {
    pub(super) fn play(&self, stage: &Stage, rate: u32) -> Result<Played> {
        show::heading(self.title);
        let bed = &stage.bed;
        let plan = self.plan();
        show::command(&plan);
        let printed = bed.deploy_action(&plan.iter().map(String::as_str).collect::<Vec<_>>())?.ok("the plan")?;
        show::block(&printed);

        let load = Load::start(LoadConfig::new(bed.proxy.web_for_load()?, HOST, rate));
        wait_for("the load to run for a while", LONG, || load.elapsed() > MARGIN && load.ok_so_far() > 0)?;
        let before = load.elapsed();
        show::command(&self.verb);
        let ended = progress::follow(bed.command(&self.machine_readable())?)?;
        let after = load.elapsed();

        // The old containers are stopped once the command has ended: that must not fail a request either.
        let containers = || bed.containers_of("web").map_or(0, |found| found.len());
        let _ = wait_for("one container to be left", LONG, || containers() == 1);
        wait_for("the load to run on", LONG, || load.elapsed() > after + MARGIN)?;
        let containers = containers();
        let load = load.stop();
        load.check_books().map_err(|error| BedError::new(format!("demo: the load says nothing: {error}")))?;
        let margins = (before.as_secs_f64(), load.seconds - after.as_secs_f64());
        let took = after - before;
        let (name, expected) = (self.name, self.expected);
        let (exit_code, phases) = (ended.exit_code, ended.phases);
        let played = Played { name, expected, exit_code, load, margins, took, phases, containers };
        say(&format!("  {}", show::requests(&played)));
        Ok(played)
    }

    /// The command that shows what this step would do.
    fn plan(&self) -> Vec<String> {
        let mut plan = vec!["plan".to_owned()];
        plan.extend(self.verb[1..].iter().cloned());
        if self.verb[0] == "rollback" {
            plan.push("--rollback".to_owned());
        }
        plan
    }

    fn machine_readable(&self) -> Vec<&str> {
        let verb = self.verb.iter().map(String::as_str);
        verb.chain(["--format", "json", "--timeout", "2m"]).collect()
    }
}
