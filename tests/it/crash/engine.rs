//! The engine is killed and the host restarted in every phase of a swap: the same promises, but for requests while no
//! container is up.
//!
//! `script/torture` goes through all phases; a plain test run through those in which most is under way.

use deploy_action::event::Phase;
use kit::bed::{BedOptions, ComposeFile, EngineOptions};

use super::case::{Case, Kill, each_phase, first_until_switched};
use super::deaths::{Deaths, torture};
use super::ground::Ground;
use crate::stage::{Setting, web};

/// Beds with an engine of their own, side by side.
const BEDS: usize = 2;

/// The network sets addresses aside: nobody resolves names while the engine is away.
fn ground(live_restore: bool, compose: fn(&str) -> ComposeFile) -> Ground {
    let engine = EngineOptions { live_restore, ..EngineOptions::default() };
    let bed = BedOptions { engine: Some(engine), spare_addresses: true, ..Setting::default().bed };
    Ground::set(Setting { bed, ..Setting::default().compose(compose) }, live_restore)
}

/// Not `unless-stopped`: to an engine that was killed, the containers that it ends at its next start are stopped on purpose.
fn always(image: &str) -> ComposeFile {
    ComposeFile::of(web(image).with("restart: always"))
}

fn never(image: &str) -> ComposeFile {
    ComposeFile::of(web(image))
}

/// Those of the kinds that `script/torture` asks for; in a plain test run those in these phases.
fn asked(mut cases: Vec<Case>, plainly: &[Phase]) -> Vec<Case> {
    match torture() {
        Some((_, kinds)) => cases.retain(|case| kinds.contains(&case.kind)),
        None => cases.retain(|case| case.kill.phase().is_some_and(|phase| plainly.contains(&phase))),
    }
    cases
}

#[test]
fn whenever_the_engine_is_killed_one_version_serves_and_nothing_is_left() {
    // Before the others: Traefik's Docker provider looks for its engine more rarely each time that it was away.
    let mut on = asked(first_until_switched(Kill::Engine), &[Phase::Gate]);
    on.extend(asked(each_phase(Kill::Engine), &[Phase::BeforeDeploy, Phase::Start, Phase::Switch]));
    let on = Deaths::all(on, BEDS, || ground(true, always));
    on.report("the engine is killed, with live-restore");
    // Also here containers outlive the engine, until it is there again and ends them.
    let mut off = asked(first_until_switched(Kill::Engine), &[]);
    off.extend(asked(each_phase(Kill::Engine), &[Phase::Create, Phase::Verify, Phase::Retire]));
    let off = Deaths::all(off, BEDS, || ground(false, always));
    off.report("the engine is killed, without live-restore");
    on.and(off).assert_held();
}

#[test]
fn whenever_the_host_is_restarted_the_last_stable_version_comes_up() {
    let with = asked(each_phase(Kill::Host), &[Phase::Switch]);
    let with = Deaths::all(with, BEDS, || ground(false, always));
    with.report("the host is restarted");
    // Once the deployment has ended nobody starts them, as their compose file has it.
    let mut without = asked(each_phase(Kill::Host), &[Phase::Verify]);
    without.retain(|case| case.kill.phase() != Some(Phase::Retire));
    let without = Deaths::all(without, BEDS, || ground(false, never));
    without.report("the host is restarted, and nothing restarts the containers");
    with.and(without).assert_held();
}
