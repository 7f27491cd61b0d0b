//! Many swaps by one agent: nothing may grow.

use crate::figures::Figures;
use crate::site::{Site, image, status_of};

/// After 100 swaps and more.
const RSS_MIB: f64 = 15.0;
/// Growth from the tenth swap to the last, where caches are filled.
const GROWTH_MIB: f64 = 3.0;

pub(crate) fn run(swaps: usize, figures: &mut Figures) {
    let mut site = Site::new(|service| service.verify_for = "0".to_owned());
    let pid = site.agent_pid();
    // Two images in turn: what grows with the number of images is the engine's.
    let images = ["v2", "v3"].map(|version| site.bed.push(&image(version)).expect("a version is pushed"));
    let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).expect("the agent runs").count() as f64;
    let (mut rss, mut open) = (Vec::new(), Vec::new());
    for n in 0..swaps {
        site.deploy(&images[n % 2]);
        site.settled();
        rss.push(status_of(pid, "VmRSS") / 1024.0);
        open.push(descriptors());
        if n % 20 == 19 {
            println!("{:>4} swaps: {:.1} MiB, {} descriptors", n + 1, rss[n], open[n]);
        }
    }
    let early = swaps.min(10) - 1;
    figures.promise("soak_rss_mib", RSS_MIB, rss.last().copied());
    figures.promise("soak_rss_growth_mib", GROWTH_MIB, [rss[swaps - 1] - rss[early]]);
    figures.promise("soak_descriptors_growth", 0.0, [open[swaps - 1] - open[early]]);
    figures.promise("soak_containers_left", 1.0, [site.bed.containers_of("web").expect("docker answers").len() as f64]);
}
