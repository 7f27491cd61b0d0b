//! The shipped systemd unit: what it allows is enough.

use std::path::Path;

use kit::bed::AgentOptions;

use crate::stage::{Setting, Stage};

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("infra/deploy-agent.service");
    std::fs::read_to_string(path).expect("the unit")
}

/// `CAP_A CAP_B` as `setpriv` wants it: nothing, then these.
fn bounding_set() -> String {
    let unit = unit();
    let line = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).expect("a bounding set");
    let names = line.split_whitespace().map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()));
    format!("-all{}", names.collect::<String>())
}

#[test]
fn a_swap_runs_within_the_units_capabilities() {
    let set = bounding_set();
    let wrapper = ["setpriv", "--bounding-set", &set, "--inh-caps", &set, "--no-new-privs"].map(str::to_owned).to_vec();
    let stage =
        Stage::set(Setting { agent: AgentOptions { wrapper, ..AgentOptions::default() }, ..Setting::default() });
    let run = stage.deploy(&stage.version("v2")).expect(0);
    assert_eq!(run.events("drained")[0]["open"], 0);
    stage.wait("the old container to be gone", || stage.containers("web").len() == 1);
    stage.assert_serves("v2");
}
