//! `deploy.yml` and `agent.yml`: any text is read, or refused with a place in it and in plain lines.
#![no_main]

use deploy_action::{agent, config, yaml::Problems};
use libfuzzer_sys::fuzz_target;

fn assert_told(text: &str, problems: &Problems) {
    assert!(!problems.list().is_empty());
    // YAML ends lines at a carriage return alone, too.
    let lines = text.matches(['\n', '\r']).count() + 1;
    for problem in problems.list() {
        assert!((1..=lines).contains(&problem.at.line), "{:?} of {lines} lines", problem.at);
        assert!(problem.at.column >= 1 && problem.at.width >= 1, "{:?}", problem.at);
    }
    let shown = problems.to_string();
    assert!(!shown.contains(|c: char| c != '\n' && c.is_control()), "{shown:?}");
}

fuzz_target!(|text: &str| {
    if let Err(problems) = config::parse("deploy.yml", text) {
        assert_told(text, &problems);
    }
    if let Err(problems) = agent::config::parse("agent.yml", text, deploy_action::signing::weak_key) {
        assert_told(text, &problems);
    }
});
