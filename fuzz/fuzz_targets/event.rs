//! An event's payload: whatever it is, it is read or refused in plain lines. The first byte chooses the event.
#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use deploy_action::trigger::{GitHubContext, read_event};
use fuzz::assert_plain;
use libfuzzer_sys::fuzz_target;

static CONTEXTS: LazyLock<[GitHubContext; 3]> =
    LazyLock::new(|| ["push", "pull_request", "workflow_dispatch"].map(context));

fn context(event: &str) -> GitHubContext {
    let variables = [
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("GITHUB_SHA", "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_API_URL", "https://api.github.com"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_WORKSPACE", "/github/workspace"),
        ("GITHUB_EVENT_NAME", event),
        ("GITHUB_ACTOR", "eve"),
    ];
    let variables: BTreeMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    GitHubContext::read(&variables).expect("a runner's variables")
}

fuzz_target!(|input: &[u8]| {
    let Some((first, payload)) = input.split_first() else { return };
    let context = &CONTEXTS[usize::from(*first) % CONTEXTS.len()];
    if let Err(failure) = read_event(context, payload) {
        assert_plain(&failure.render());
    }
});
