//! SIGKILL before and after every record of the journal, and at moments in between.
//!
//! A plain test run kills at each point once, at 12 moments, and 13 times while a death is made up for, and damages eight
//! lines; `script/torture` sets `TORTURE` to a seed, and kills at every point of every kind of swap, at 40 moments of each,
//! and again while the first death is made up for, and damages every line.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::case::{Kind, each_point_once, every_damage, every_point, moments, some_damage, some_twice};
use super::deaths::{Deaths, torture};
use super::ground::Ground;

/// Beds side by side: what they do most is wait.
const BEDS: usize = 4;
/// The seed of a plain test run.
const SEED: u64 = 5;

#[test]
fn wherever_the_agent_is_killed_one_version_serves_and_nothing_is_left() {
    let mut cases = match torture() {
        Some((seed, kinds)) => {
            let mut cases = [every_point(), every_damage()].concat();
            cases.retain(|case| kinds.contains(&case.kind));
            cases.extend(kinds.iter().flat_map(|kind| moments(40, &[*kind], seed)));
            cases
        }
        None => {
            let kinds = [Kind::First, Kind::Later, Kind::Rollback];
            [each_point_once(), some_twice(), moments(12, &kinds, SEED), some_damage()].concat()
        }
    };
    // A first swap is preceded by taking everything down.
    cases.sort_by_key(|case| case.kind);
    let beds = AtomicUsize::new(0);
    // Every other one has a network where containers get addresses that stay theirs.
    let deaths = Deaths::all(cases, BEDS, || Ground::new(beds.fetch_add(1, Ordering::Relaxed) % 2 == 1));
    deaths.report("the agent is killed");
    deaths.assert_held();
}
