//! The same change without an agent: by `docker compose up -d`, and by labels with the new container up before the old one
//! is stopped.

use std::time::{Duration, Instant};

use kit::bed::{Bed, BedOptions, wait_for};
use kit::load::{Load, LoadConfig};

use crate::figures::Figures;
use crate::site::{HOST, PATIENCE, bed, compose, image};
use crate::swap::RATE;

pub(crate) fn measure(swaps: usize, figures: &mut Figures) {
    for (name, change) in [("compose_up", recreate as fn(&Bed)), ("label_swap", beside)] {
        let bed = bed(&BedOptions::default());
        for n in 0..swaps {
            let (old, new) = (format!("v{}", n + 1), format!("v{}", n + 2));
            let image = bed.push(&image(&new)).expect("a version is pushed");
            bed.project.write("compose.yaml", &compose(&bed, &image)).expect("a compose file");
            let load = Load::start(LoadConfig::new(bed.proxy.web_for_load().expect("an address"), HOST, RATE));
            assert!(load.wait_until_ok(u64::from(RATE), PATIENCE), "the load begins");
            let asked_ms = load.elapsed().as_secs_f64() * 1e3;
            let begun = Instant::now();
            change(&bed);
            figures.add(&format!("{name}_returns_ms"), [begun.elapsed().as_secs_f64() * 1e3]);
            load.wait_until_only(&new, Duration::from_secs(1), PATIENCE);
            let report = load.stop();
            figures.add(&format!("{name}_failed_requests"), [report.failed as f64]);
            // Settled: the last answer of the old version, or the last failure.
            let last = report.seen.get(&old).map_or(0.0, |seen| seen.last_ms);
            let settled = last.max(report.last_failure_ms.unwrap_or_default());
            figures.add(&format!("{name}_only_new_ms"), [settled - asked_ms]);
        }
    }
}

fn recreate(bed: &Bed) {
    bed.project.up().expect("compose recreates");
}

fn beside(bed: &Bed) {
    let old = bed.containers_of("web").expect("docker answers");
    bed.project
        .compose(&["up", "-d", "--no-deps", "--no-recreate", "--scale", "web=2", "web"])
        .expect("compose scales");
    wait_for("the new container to be healthy", PATIENCE, || {
        let containers = bed.containers_of("web").expect("docker answers");
        containers.iter().filter(|container| container.status.contains("(healthy)")).count() == 2
    })
    .expect("it becomes healthy");
    for container in old {
        bed.machine.docker(&["stop", &container.id]).expect("stops");
        bed.machine.docker(&["rm", &container.id]).expect("is removed");
    }
}
