//! The agent's swap, from the request on its wire.

use std::time::Duration;

use deploy_action::event::{DeployEvent, Phase};
use kit::load::{Load, LoadConfig};

use crate::figures::Figures;
use crate::site::{HOST, PATIENCE, Site, image, when};

/// Requests per second, each of 200 ms.
pub(crate) const RATE: u32 = 400;
/// What a swap may take beside making the container, the engine's start, and the application's own boot.
const OVERHEAD_MS: f64 = 450.0;
/// When nobody may be answered by the old version any more.
const ONLY_NEW_MS: f64 = 900.0;

pub(crate) fn measure(swaps: usize, figures: &mut Figures) {
    let site = Site::new(|_| {});
    // The first one adopts the labels: another piece of work.
    let versions: Vec<String> = (0..=swaps).map(|n| format!("v{}", n + 2)).collect();
    let images: Vec<String> =
        versions.iter().map(|version| site.bed.push(&image(version)).expect("a version is pushed")).collect();
    site.deploy(&images[0]);
    site.settled();
    for (pair, image) in versions.windows(2).zip(&images[1..]) {
        let load = Load::start(LoadConfig::new(site.bed.proxy.web_for_load().expect("an address"), HOST, RATE));
        assert!(load.wait_until_ok(u64::from(RATE), PATIENCE), "the load begins");
        let begun = std::time::Instant::now() - load.elapsed();
        let (asked, at, events) = site.deploy(image);
        load.wait_until_only(&pair[1], Duration::from_millis(500), PATIENCE);
        let report = load.stop();
        site.settled();
        assert_eq!(report.failed, 0, "{:?}", report.failures);

        let asked_ms = asked.duration_since(begun).as_secs_f64() * 1e3;
        figures.promise("only_new_ms", ONLY_NEW_MS, [report.seen[&pair[0]].last_ms - asked_ms]);
        let started = when(&events, at, |event| matches!(event, DeployEvent::PhaseStarted { phase: Phase::Start }));
        let proven = when(&events, at, |event| matches!(event, DeployEvent::Proven { .. })).expect("it is proven");
        let told = when(&events, at, |event| matches!(event, DeployEvent::Finished { .. })).expect("it ends");
        let start = started_at(&site, at) - started.expect("it is started");
        let took = |wanted: Phase| {
            events.iter().find_map(|event| match event.event {
                DeployEvent::PhaseFinished { phase, took_ms } if phase == wanted => Some(took_ms as f64),
                _ => None,
            })
        };
        figures.promise(
            "poke_to_proven_overhead_ms",
            OVERHEAD_MS,
            [proven - took(Phase::Create).unwrap_or_default() - start],
        );
        figures.add("poke_to_proven_ms", [proven]);
        figures.add("poke_to_told_ms", [told]);
        figures.add("engine_start_ms", [start]);
        for phase in
            [Phase::Pull, Phase::Create, Phase::Start, Phase::Gate, Phase::Rehearse, Phase::Switch, Phase::Prove]
        {
            figures.add(&format!("phase_{}_ms", phase.as_str()), took(phase));
        }
    }
}

/// When the engine had started the container that serves now, in milliseconds after `since`.
fn started_at(site: &Site, since: jiff::Timestamp) -> f64 {
    let containers = site.bed.containers_of("web").expect("docker answers");
    let id = &containers.first().expect("a container").id;
    let text = site.bed.machine.docker(&["inspect", "--format", "{{.State.StartedAt}}", id]).expect("docker answers");
    let started: jiff::Timestamp = text.trim().parse().expect("a time");
    (started.as_nanosecond() - since.as_nanosecond()) as f64 / 1e6
}
