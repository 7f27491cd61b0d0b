//! What the program weighs and how soon it speaks.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::figures::Figures;
use crate::site::{Site, program, status_of};

/// Limits that the product keeps.
const IDLE_MIB: f64 = 10.0;
const FIRST_LINE_MS: f64 = 20.0;
const IMAGE_MB: f64 = 12.0;
/// An agent that has done this long nothing is idle.
const REST: Duration = Duration::from_secs(3);

pub(crate) fn agent(figures: &mut Figures) {
    let mut site = Site::new(|_| {});
    std::thread::sleep(REST);
    let pid = site.agent_pid();
    figures.promise("agent_idle_rss_mib", IDLE_MIB, [status_of(pid, "VmRSS") / 1024.0]);
}

pub(crate) fn startup(figures: &mut Figures) {
    let folder = std::env::temp_dir();
    let values = (0..20).map(|_| {
        // As a runner starts it, with nothing given: the first words are about what is missing.
        let begun = Instant::now();
        let mut command = Command::new(program());
        command.env_clear().env("GITHUB_ACTIONS", "true").current_dir(&folder);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program starts");
        let mut first = [0];
        child.stdout.take().expect("a pipe").read_exact(&mut first).expect("it speaks");
        let took = begun.elapsed();
        child.wait().expect("it ends");
        took.as_secs_f64() * 1e3
    });
    figures.promise("first_log_line_ms", FIRST_LINE_MS, values);
}

pub(crate) fn image(figures: &mut Figures) {
    let name = std::env::var("DEPLOY_IMAGE").expect("DEPLOY_IMAGE names the image: use script/bench");
    let inspected = Command::new("docker").args(["image", "inspect", "--format", "{{.Size}}", &name]).output();
    let text = String::from_utf8(inspected.expect("docker answers").stdout).expect("a number");
    let bytes: f64 = text.trim().parse().expect("the image's size");
    figures.promise("image_mb", IMAGE_MB, [bytes / 1e6]);
}
