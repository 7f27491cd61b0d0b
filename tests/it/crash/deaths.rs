//! Many deaths, on several beds side by side, and what came of them.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::thread;

use kit::bed::Machine;
use serde_json::{Value, json};

use super::case::{Case, Kind};
use super::ground::{Ground, Lengths, Told};

/// What came of each.
#[derive(Debug)]
pub(super) struct Deaths(Vec<(Case, Result<Told, String>)>);

impl Deaths {
    /// Goes through the cases on so many beds. One that fails leaves a bed of which nothing is known, so the next case gets
    /// another.
    pub(super) fn all(cases: Vec<Case>, beds: usize, make: impl Fn() -> Ground + Sync) -> Self {
        let cases = Mutex::new(VecDeque::from(cases));
        let (results, lengths) = (Mutex::new(Vec::new()), Lengths::default());
        let work = || {
            let mut ground: Option<Ground> = None;
            loop {
                let next = cases.lock().expect("no panic while it is held").pop_front();
                let Some(case) = next else { return };
                let tried = catch_unwind(AssertUnwindSafe(|| {
                    let ground = ground.get_or_insert_with(&make);
                    ground.run(case, &lengths).map_err(|why| format!("{why}\n{}", ground.log()))
                }));
                let result = tried.unwrap_or_else(|panic| Err(words(panic.as_ref())));
                if result.is_err() {
                    ground = None;
                }
                results.lock().expect("no panic while it is held").push((case, result));
            }
        };
        thread::scope(|scope| (0..beds).for_each(|_| drop(scope.spawn(work))));
        Self(results.into_inner().expect("no panic while it was held"))
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0.into_iter().chain(other.0).collect())
    }

    /// Panics where a promise was broken, and tells all of these cases: each in a line, then each with the agent's log.
    #[track_caller]
    pub(super) fn assert_held(&self) {
        let broken = self.0.iter().filter_map(|(case, result)| Some((case, result.as_ref().err()?)));
        let broken: Vec<_> = broken.collect();
        let brief = broken.iter().map(|(case, why)| format!("{case}: {}\n", why.lines().next().unwrap_or_default()));
        let whole = broken.iter().map(|(case, why)| format!("\n{case}: {why}\n"));
        let told: String = brief.chain(whole).collect();
        assert!(broken.is_empty(), "{} of {} deaths:\n{told}", broken.len(), self.0.len());
    }

    /// Adds what came of them to the file that `script/torture` names.
    pub(super) fn report(&self, title: &str) {
        let Some(file) = variable("TORTURE_JSON") else { return };
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        let mut document: Value = serde_json::from_str(&known).unwrap_or_else(|_| json!({}));
        document["machine"] = Machine::find().map(|machine| machine.described()).unwrap_or_default().into();
        document["commit"] = Machine::commit().into();
        document["when"] = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string().into();
        for kind in Kind::ALL {
            let own: Vec<_> = self.0.iter().filter(|(case, _)| case.kind == kind).collect();
            if !own.is_empty() {
                document[title][kind.to_string()] = summary(&own);
            }
        }
        std::fs::write(&file, format!("{document:#}\n")).expect("the results are written");
    }
}

fn summary(deaths: &[&(Case, Result<Told, String>)]) -> Value {
    let held: Vec<&Told> = deaths.iter().filter_map(|(_, result)| result.as_ref().ok()).collect();
    let mut outcomes = BTreeMap::new();
    for told in &held {
        *outcomes.entry(told.outcome).or_insert(0) += 1;
    }
    let each = deaths.iter().map(|(case, result)| {
        let told = match result {
            Ok(told) => format!("{}, after {} ms", told.outcome, told.converged_ms),
            Err(why) => format!("BROKEN: {}", why.lines().next().unwrap_or_default()),
        };
        (case.kill.to_string(), told.into())
    });
    json!({
        "seed": variable("TORTURE"),
        "deaths": deaths.len(),
        "held": held.len(),
        "outcomes": outcomes,
        "slowest_convergence_ms": held.iter().map(|told| told.converged_ms).max(),
        "requests": held.iter().map(|told| told.requests).sum::<u64>(),
        "failed_requests": held.iter().map(|told| told.failed_requests).sum::<u64>(),
        "each": each.collect::<serde_json::Map<String, Value>>(),
    })
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// The seed and the kinds of swap of `script/torture`, where it runs this.
pub(super) fn torture() -> Option<(u64, Vec<Kind>)> {
    let seed = variable("TORTURE")?.parse().expect("TORTURE is a number");
    let only = variable("TORTURE_KIND");
    let kinds = Kind::ALL.into_iter().filter(|kind| only.as_ref().is_none_or(|only| kind.to_string().contains(only)));
    Some((seed, kinds.collect()))
}

#[expect(clippy::disallowed_methods, reason = "switches for the person who runs the tests")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
