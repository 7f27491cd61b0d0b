//! What GitHub Actions tells of the run, in its variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::domain::{GitSha, Reason, RepoSlug, one_line};
use crate::failure::Failure;

/// Longest sentence about a value, in characters.
const SENTENCE: usize = 500;

/// Where in GitHub a run belongs. From the variables that a runner sets (docs.github.com, "Default environment
/// variables"); `act` sets the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubContext {
    /// `GITHUB_REPOSITORY`.
    pub repository: RepoSlug,
    /// `GITHUB_RUN_ID`: stays the same when a run is repeated.
    pub run_id: u64,
    /// `GITHUB_RUN_ATTEMPT`, from 1.
    pub run_attempt: u32,
    /// `GITHUB_SHA`: on a pull request the merge commit, which nobody wrote.
    pub sha: GitSha,
    /// `GITHUB_REF_NAME`, where the run is about a tag (`GITHUB_REF_TYPE`).
    pub tag: Option<String>,
    /// `GITHUB_API_URL`, without a trailing slash.
    pub api_url: String,
    /// `GITHUB_SERVER_URL`, without a trailing slash.
    pub server_url: String,
    /// `GITHUB_WORKSPACE`: where the repository is checked out.
    pub workspace: PathBuf,
    /// `GITHUB_EVENT_NAME`.
    pub event_name: String,
    /// `GITHUB_ACTOR`: who set the run off.
    pub actor: String,
}

impl GitHubContext {
    /// From the runner's variables.
    ///
    /// # Errors
    /// One is missing or is not what it should be.
    pub fn read(vars: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let optional = |name: &str| vars.get(name).map(String::as_str).filter(|value| !value.trim().is_empty());
        let required = |name: &str| optional(name).ok_or_else(|| missing(name));
        let url = |name: &str| required(name).map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self {
            repository: parsed("GITHUB_REPOSITORY", required("GITHUB_REPOSITORY")?)?,
            run_id: parsed("GITHUB_RUN_ID", required("GITHUB_RUN_ID")?)?,
            // Older servers do not set it.
            run_attempt: parsed("GITHUB_RUN_ATTEMPT", optional("GITHUB_RUN_ATTEMPT").unwrap_or("1"))?,
            sha: parsed("GITHUB_SHA", required("GITHUB_SHA")?)?,
            tag: optional("GITHUB_REF_TYPE")
                .filter(|kind| *kind == "tag")
                .and_then(|_| optional("GITHUB_REF_NAME"))
                .map(str::to_owned),
            api_url: url("GITHUB_API_URL")?,
            server_url: url("GITHUB_SERVER_URL")?,
            workspace: required("GITHUB_WORKSPACE")?.into(),
            event_name: required("GITHUB_EVENT_NAME")?.to_owned(),
            actor: optional("GITHUB_ACTOR").unwrap_or_default().to_owned(),
        })
    }

    /// The run's page, for links.
    #[must_use]
    pub fn run_url(&self) -> String {
        format!("{}/{}/actions/runs/{}/attempts/{}", self.server_url, self.repository, self.run_id, self.run_attempt)
    }
}

fn missing(name: &str) -> Failure {
    Failure::new(Reason::Usage, format!("`{name}` is not set"))
        .hint("a runner of GitHub Actions sets it; outside of one, use the command line: `deploy-action --help`")
}

fn parsed<T>(name: &str, text: &str) -> Result<T, Failure>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        Failure::new(Reason::Usage, format!("`{name}` cannot be read"))
            .because(one_line(&error.to_string(), SENTENCE))
            .hint("a runner of GitHub Actions sets it: leave it as it is")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::sample::vars;

    #[test]
    fn a_runner_tells_where_it_is() {
        let context = GitHubContext::read(&vars(&[])).unwrap();
        assert_eq!(context.repository.name(), "hello");
        assert_eq!(context.run_url(), "https://github.com/acme/hello/actions/runs/42/attempts/2");
        assert_eq!(GitHubContext::read(&vars(&[("GITHUB_RUN_ATTEMPT", "")])).unwrap().run_attempt, 1, "set to nothing");
    }

    #[test]
    fn what_is_missing_is_named() {
        let shown = |changed: &[(&str, &str)]| GitHubContext::read(&vars(changed)).unwrap_err().render();
        insta::assert_snapshot!(
            [
                shown(&[("GITHUB_SHA", "")]),
                shown(&[("GITHUB_SHA", "main")]),
                shown(&[("GITHUB_REPOSITORY", "hello")]),
                shown(&[("GITHUB_RUN_ID", "many")]),
            ]
            .join("")
        );
    }
}
