//! Webhook payloads: which commit an event is about, and what it asks for. A payload is data from outside.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::GitHubContext;
use crate::domain::{GitSha, PrNumber, Reason, RepoSlug};
use crate::failure::Failure;

/// The commit that an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// What somebody wrote: of a pull request its head, never the merge commit.
    pub head: GitSha,
    /// The pull request, where the event is one's.
    pub pull_request: Option<PrNumber>,
    /// Whether the pull request comes from another repository: then the run has no secrets.
    pub from_fork: bool,
}

/// What an event asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A commit is to be deployed.
    Deploy(Commit),
    /// A pull request wants to know what it would change.
    Plan(Commit),
    /// There is nothing to do, for the reason that the sentence gives.
    Nothing(&'static str),
}

/// The members that matter, of every event: most are absent in most. Unknown ones are skipped.
#[derive(Debug, Deserialize)]
#[serde(expecting = "an object")]
struct Payload {
    after: Option<String>,
    #[serde(default)]
    deleted: bool,
    head_commit: Option<HeadCommit>,
    action: Option<String>,
    pull_request: Option<PullRequest>,
}

#[derive(Debug, Deserialize)]
struct HeadCommit {
    id: GitSha,
}

#[derive(Debug, Deserialize)]
struct PullRequest {
    number: PrNumber,
    head: End,
    base: End,
}

#[derive(Debug, Deserialize)]
struct End {
    sha: GitSha,
    /// `null` where the fork was deleted.
    repo: Option<Repo>,
}

#[derive(Debug, Deserialize)]
struct Repo {
    full_name: RepoSlug,
}

/// Reads the payload of the context's event.
///
/// # Errors
/// The payload is not what GitHub sends for the event, or the event is one that nothing is done for.
pub fn read(context: &GitHubContext, payload: &[u8]) -> Result<Event, Failure> {
    let name = context.event_name.as_str();
    match name {
        "push" => push(context, &parse(name, payload)?),
        "workflow_dispatch" => {
            let _: IgnoredAny = parse(name, payload)?;
            Ok(Event::Deploy(of_push(context.sha.clone())))
        }
        "pull_request" => pull_request(parse(name, payload)?),
        _ => Err(refused(name)),
    }
}

fn parse<'a, T: Deserialize<'a>>(name: &str, payload: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(payload).map_err(|error| invalid(name).because(error))
}

fn invalid(name: &str) -> Failure {
    Failure::new(Reason::Usage, format!("the payload of the event `{name}` cannot be read"))
        .hint("GitHub writes it to the file that `GITHUB_EVENT_PATH` names; with act it is the file given with `-e`")
}

fn of_push(head: GitSha) -> Commit {
    Commit { head, pull_request: None, from_fork: false }
}

fn push(context: &GitHubContext, payload: &Payload) -> Result<Event, Failure> {
    if payload.deleted {
        return Ok(Event::Nothing("the push deleted its branch or tag: there is nothing to deploy"));
    }
    // Of an annotated tag `after` is the tag, not the commit. act sends neither.
    let head = match (&payload.head_commit, &payload.after) {
        (Some(commit), _) => commit.id.clone(),
        (None, Some(after)) => after.parse().map_err(|error| invalid("push").because(error))?,
        (None, None) => context.sha.clone(),
    };
    Ok(Event::Deploy(of_push(head)))
}

fn pull_request(payload: Payload) -> Result<Event, Failure> {
    if payload.action.as_deref() == Some("closed") {
        return Ok(Event::Nothing("the pull request is closed: there is nothing to plan"));
    }
    let Some(PullRequest { number, head, base }) = payload.pull_request else {
        return Err(invalid("pull_request").because("there is no member `pull_request`"));
    };
    let home = base.repo.map(|repo| repo.full_name);
    let from_fork = head.repo.is_none_or(|repo| Some(repo.full_name) != home);
    Ok(Event::Plan(Commit { head: head.sha, pull_request: Some(number), from_fork }))
}

fn refused(name: &str) -> Failure {
    let failure = Failure::new(Reason::Usage, format!("nothing is done for the event `{name}`"));
    failure.hint(match name {
        // It runs with the secrets of the base, on code that anybody may have written.
        "pull_request_target" => "write `on: pull_request`: this one would hand secrets to code from a fork",
        _ => "run the step on `push` or `workflow_dispatch` to deploy, on `pull_request` to see the plan",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::trigger::sample::{HEAD, SHA, vars};

    fn event(name: &str, payload: &str) -> Result<Event, Failure> {
        read(&GitHubContext::read(&vars(&[("GITHUB_EVENT_NAME", name)])).unwrap(), payload.as_bytes())
    }

    fn opened(head_repo: Value) -> Value {
        json!({
            "action": "opened",
            "number": 7,
            "pull_request": {
                "number": 7,
                "head": {"sha": HEAD, "repo": head_repo},
                "base": {"sha": SHA, "repo": {"full_name": "acme/hello"}},
            },
        })
    }

    #[test]
    fn events_and_what_they_ask_for() {
        let zero = "0".repeat(40);
        let own = opened(json!({"full_name": "acme/hello"}));
        let mut closed = own.clone();
        closed["action"] = json!("closed");
        let mut headless = own.clone();
        headless["pull_request"]["head"] = json!({"sha": "main"});
        let mut zeroth = own.clone();
        zeroth["pull_request"]["number"] = json!(0);
        let large = json!({"after": HEAD, "commits": "x".repeat(5_000_000)});
        let mut all = String::new();
        for (what, name, payload) in [
            ("a push", "push", json!({"ref": "refs/heads/main", "after": HEAD, "head_commit": {"id": HEAD}})),
            ("an annotated tag", "push", json!({"ref": "refs/tags/v1", "after": SHA, "head_commit": {"id": HEAD}})),
            ("a deleted branch", "push", json!({"after": zero, "deleted": true, "head_commit": null})),
            ("act without -e", "push", json!({})),
            ("a wrong type", "push", json!({"after": 5})),
            ("a wrong commit", "push", json!({"after": "main"})),
            ("not an object", "push", json!([])),
            ("5 MB", "push", large),
            ("by hand", "workflow_dispatch", json!({"inputs": null})),
            ("a pull request", "pull_request", own),
            ("of a fork", "pull_request", opened(json!({"full_name": "eve/hello"}))),
            ("of a deleted fork", "pull_request", opened(Value::Null)),
            ("closed", "pull_request", closed),
            ("without a commit", "pull_request", headless),
            ("without a number", "pull_request", zeroth),
            ("without members", "pull_request", json!({})),
            ("privileged", "pull_request_target", json!({})),
            ("talk", "issue_comment", json!({"comment": {"body": "/deploy"}})),
        ] {
            let shown = match event(name, &payload.to_string()) {
                Ok(event) => format!("{event:?}\n"),
                Err(failure) => failure.render(),
            };
            all.push_str(&format!("--- {what}: {name}\n{shown}"));
        }
        all.push_str(&format!("--- cut off\n{}", event("push", "{\"after\":").unwrap_err().render()));
        insta::assert_snapshot!(all);
    }
}
