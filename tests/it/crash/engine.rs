//! The engine is killed and the host restarted in every phase of a swap: the same promises, but for requests while no
//! container is up.
//!
//! A plain test run goes through the phases once, half of them with live-restore; `script/torture` through all of them with
//! and without, and through a restart of the host in each.

use deploy_action::event::Phase;
use kit::bed::{BedOptions, ComposeFile, EngineOptions};

use super::case::{Case, Kill, each_phase};
use super::deaths::{Deaths, torture};
use super::ground::Ground;
use crate::stage::{Setting, web};

/// Beds with an engine of their own, side by side.
const BEDS: usize = 2;

fn ground(live_restore: bool, compose: fn(&str) -> ComposeFile) -> Ground {
    let engine = EngineOptions { live_restore, ..EngineOptions::default() };
    let bed = BedOptions { engine: Some(engine), ..Setting::default().bed };
    Ground::set(Setting { bed, ..Setting::default().compose(compose) }, live_restore)
}

/// As people write it who want to sleep.
fn always(image: &str) -> ComposeFile {
    ComposeFile::of(web(image).with("restart: unless-stopped"))
}

fn never(image: &str) -> ComposeFile {
    ComposeFile::of(web(image))
}

/// Those that a plain test run does not leave to `script/torture`.
fn some(cases: Vec<Case>, phases: &[Phase]) -> Vec<Case> {
    let Some((_, kinds)) = torture() else {
        let named = |case: &Case| phases.iter().any(|phase| case.kill.phase() == Some(*phase));
        return cases.into_iter().filter(named).collect();
    };
    cases.into_iter().filter(|case| kinds.contains(&case.kind)).collect()
}

#[test]
fn whenever_the_engine_is_killed_one_version_serves_and_nothing_is_left() {
    use Phase::{Adopt, Back, Create, Gate, Prove, Pull, Rehearse, Start, Switch, Verify};
    let on = some(each_phase(Kill::Engine), &[Pull, Start, Rehearse, Prove, Back]);
    let on = Deaths::all(on, BEDS, || ground(true, always));
    on.report("the engine is killed, with live-restore");
    let off = some(each_phase(Kill::Engine), &[Adopt, Create, Gate, Switch, Verify]);
    let off = Deaths::all(off, BEDS, || ground(false, always));
    off.report("the engine is killed, without live-restore");
    on.and(off).assert_held();
}

#[test]
fn whenever_the_host_is_restarted_the_last_stable_version_comes_up() {
    let with = some(each_phase(Kill::Host), &[Phase::Gate, Phase::Verify]);
    let with = Deaths::all(with, BEDS, || ground(false, always));
    with.report("the host is restarted");
    let without = some(each_phase(Kill::Host), &[Phase::Rehearse, Phase::Prove]);
    let without = Deaths::all(without, BEDS, || ground(false, never));
    without.report("the host is restarted, and nothing restarts the containers");
    with.and(without).assert_held();
}
