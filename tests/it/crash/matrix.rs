//! SIGKILL before and after every record of the journal, and at moments in between.
//!
//! A plain test run kills at each point once and at 12 moments, and damages three lines; `script/torture` sets `TORTURE` to
//! a seed, and kills at every point of every kind of swap, at 40 moments of each, and again while the first death is made
//! up for, and damages every line.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use super::case::{Case, Kind, each_point_once, every_damage, every_point, moments, some_damage};
use super::ground::{Ground, Lengths, Told};

/// Beds side by side: what they do most is wait.
const BEDS: usize = 4;
/// The seed of a plain test run.
const SEED: u64 = 5;

type Results = Vec<(Case, Result<Told, String>)>;

#[test]
fn wherever_the_agent_is_killed_one_version_serves_and_nothing_is_left() {
    let cases = match torture() {
        Some((seed, kinds)) => {
            let mut cases = [every_point(), every_damage()].concat();
            cases.retain(|case| kinds.contains(&case.kind));
            cases.extend(kinds.iter().flat_map(|kind| moments(40, &[*kind], seed)));
            cases.sort_by_key(|case| case.kind);
            cases
        }
        None => {
            let kinds = [Kind::First, Kind::Later, Kind::Rollback];
            [each_point_once(), moments(12, &kinds, SEED), some_damage()].concat()
        }
    };
    let results = run(cases);
    report(&results);
    let failures: Vec<String> = results
        .iter()
        .filter_map(|(case, result)| result.as_ref().err().map(|why| format!("{case}: {why}\n")))
        .collect();
    assert!(failures.is_empty(), "{} of {} failed\n{}", failures.len(), results.len(), failures.join("\n"));
}

/// Runs the cases on several beds. One that fails leaves a bed of which nothing is known, so the next gets another.
fn run(cases: Vec<Case>) -> Results {
    let cases = Mutex::new(VecDeque::from(cases));
    let (results, lengths) = (Mutex::new(Vec::new()), Lengths::default());
    let work = || {
        let mut ground: Option<Ground> = None;
        loop {
            let next = cases.lock().expect("no panic while it is held").pop_front();
            let Some(case) = next else { return };
            let tried = catch_unwind(AssertUnwindSafe(|| {
                let ground = ground.get_or_insert_with(Ground::new);
                ground.run(case, &lengths).map_err(|why| format!("{why}\n{}", ground.log()))
            }));
            let result = tried.unwrap_or_else(|panic| Err(words(panic.as_ref())));
            if result.is_err() {
                ground = None;
            }
            results.lock().expect("no panic while it is held").push((case, result));
        }
    };
    thread::scope(|scope| (0..BEDS).for_each(|_| drop(scope.spawn(work))));
    results.into_inner().expect("no panic while it was held")
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The seed and the kinds of swap of `script/torture`, where it runs this.
fn torture() -> Option<(u64, Vec<Kind>)> {
    let seed = variable("TORTURE")?.parse().expect("TORTURE is a number");
    let only = variable("TORTURE_KIND");
    let kinds = Kind::ALL.into_iter().filter(|kind| only.as_ref().is_none_or(|only| kind.to_string().contains(only)));
    Some((seed, kinds.collect()))
}

/// Writes what came of it to the file that `script/torture` names.
fn report(results: &Results) {
    let Some(file) = variable("TORTURE_JSON") else { return };
    let told = |result: &Result<Told, String>| match result {
        Ok(told) => serde_json::to_value(told).expect("JSON"),
        Err(why) => json!({ "failed": why.lines().next() }),
    };
    let cases: Vec<Value> = results
        .iter()
        .map(|(case, result)| json!({ "swap": case.kind.to_string(), "killed": case.kill.to_string(), "result": told(result) }))
        .collect();
    let good: Vec<&Told> = results.iter().filter_map(|(_, result)| result.as_ref().ok()).collect();
    let worst = |kind: Kind| {
        let own: Vec<&Told> =
            results.iter().filter(|(case, _)| case.kind == kind).filter_map(|(_, it)| it.as_ref().ok()).collect();
        let outcomes = own.iter().fold(std::collections::BTreeMap::new(), |mut counts, told| {
            *counts.entry(told.outcome).or_insert(0) += 1;
            counts
        });
        json!({ "deaths": own.len(), "outcomes": outcomes, "slowest_convergence_ms": own.iter().map(|told| told.converged_ms).max() })
    };
    let kinds: serde_json::Map<String, Value> =
        Kind::ALL.into_iter().map(|kind| (kind.to_string(), worst(kind))).collect();
    let document = json!({
        "when": jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        "machine": machine(),
        "seed": variable("TORTURE"),
        "kinds": kinds,
        "cases": results.len(),
        "held": good.len(),
        "requests": good.iter().map(|told| told.requests).sum::<u64>(),
        "failed_requests": good.iter().map(|told| told.failed_requests).sum::<u64>(),
        "slowest_convergence_ms": good.iter().map(|told| told.converged_ms).max(),
        "deaths": cases,
    });
    std::fs::write(&file, format!("{document:#}\n")).expect("the results are written");
}

fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let memory =
        read("/proc/meminfo").split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default();
    let engine =
        kit::bed::Machine::find().and_then(|machine| machine.docker(&["version", "--format", "{{.Server.Version}}"]));
    format!(
        "{cores} cores, {} GiB, Linux {}, Docker Engine {}",
        memory / (1024 * 1024),
        kernel.trim(),
        engine.unwrap_or_default().trim()
    )
}

#[expect(clippy::disallowed_methods, reason = "switches for the person who runs the tests")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
