//! The variables of a run, for tests.

use std::collections::BTreeMap;

/// The head commit of a pull request.
pub(crate) const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
/// `GITHUB_SHA`.
pub(crate) const SHA: &str = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c";

/// Those that a runner sets, changed.
pub(crate) fn vars(changed: &[(&str, &str)]) -> BTreeMap<String, String> {
    let usual = [
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_ID", "42"),
        ("GITHUB_RUN_ATTEMPT", "2"),
        ("GITHUB_SHA", SHA),
        ("GITHUB_REF_NAME", "main"),
        ("GITHUB_API_URL", "https://api.github.com"),
        ("GITHUB_SERVER_URL", "https://github.com/"),
        ("GITHUB_WORKSPACE", "/github/workspace"),
        ("GITHUB_EVENT_NAME", "push"),
        ("GITHUB_ACTOR", "eve"),
    ];
    usual.iter().chain(changed).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
