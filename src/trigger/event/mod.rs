//! Webhook payloads: which commit an event is about, and what it asks for. A payload is data from outside.

mod members;
#[cfg(test)]
mod tests;

use members::Members;

use super::GitHubContext;
use crate::domain::{GitSha, PrNumber, Reason, RepoError, one_line};
use crate::failure::Failure;

/// Largest payload that is read, in bytes. GitHub sends none above 25 MB ("Webhook events and payloads").
pub const PAYLOAD: u64 = 32 * 1024 * 1024;

/// Longest value of a payload that a sentence repeats, in characters.
const SHOWN: usize = 80;
/// Longest sentence about a value, in characters.
const SENTENCE: usize = 500;

/// The members that matter, of every event: most are absent in most. The others are skipped.
const WANTED: &[&str] = &[
    "after",
    "deleted",
    "head_commit",
    "head_commit.id",
    "action",
    "pull_request",
    "pull_request.number",
    "pull_request.head",
    "pull_request.head.sha",
    "pull_request.head.repo",
    "pull_request.head.repo.full_name",
    "pull_request.base",
    "pull_request.base.repo",
    "pull_request.base.repo.full_name",
];

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

/// Reads the payload of the context's event.
///
/// # Errors
/// The payload is not what GitHub sends for the event, or the event is one that nothing is done for.
pub fn read(context: &GitHubContext, payload: &[u8]) -> Result<Event, Failure> {
    let name = context.event_name.as_str();
    let asked = match name {
        "push" => Members::read(payload, WANTED).and_then(|payload| push(context, &payload)),
        "workflow_dispatch" => Members::read(payload, WANTED).map(|_| Event::Deploy(of_push(context.sha.clone()))),
        "pull_request" => Members::read(payload, WANTED).and_then(|payload| pull_request(&payload)),
        _ => return Err(refused(name)),
    };
    asked.map_err(|why| {
        Failure::new(Reason::Usage, format!("the payload of the event `{name}` cannot be read")).because(why).hint(
            "GitHub writes it to the file that `GITHUB_EVENT_PATH` names; with act it is the file given with `-e`",
        )
    })
}

fn of_push(head: GitSha) -> Commit {
    Commit { head, pull_request: None, from_fork: false }
}

fn push(context: &GitHubContext, payload: &Members) -> Result<Event, String> {
    let after = payload.text("after")?;
    let none = |sha: &str| sha.len() == 40 && sha.bytes().all(|b| b == b'0');
    if payload.flag("deleted")?.unwrap_or_default() || after.is_some_and(none) {
        return Ok(Event::Nothing("the push deleted its branch or tag: there is nothing to deploy"));
    }
    // Of an annotated tag `after` is the tag, not the commit. act sends neither.
    let head = match (payload.object("head_commit")?, after) {
        (true, _) => sha(payload, "head_commit.id")?,
        (false, Some(_)) => sha(payload, "after")?,
        (false, None) => context.sha.clone(),
    };
    Ok(Event::Deploy(of_push(head)))
}

fn pull_request(payload: &Members) -> Result<Event, String> {
    if payload.text("action")? == Some("closed") {
        return Ok(Event::Nothing("the pull request is closed: there is nothing to plan"));
    }
    for path in ["pull_request", "pull_request.head", "pull_request.base"] {
        if !payload.object(path)? {
            return Err(absent(path));
        }
    }
    let number = payload.number("pull_request.number")?.ok_or_else(|| absent("pull_request.number"))?;
    let number = PrNumber::try_from(number).map_err(|error| format!("`pull_request.number`: {error}"))?;
    // `repo` is null where the fork was deleted.
    let repository = |end: &str| {
        let (repo, name) = (format!("pull_request.{end}.repo"), format!("pull_request.{end}.repo.full_name"));
        match payload.object(&repo)? {
            true => payload.text(&name)?.map(Some).ok_or_else(|| absent(&name)),
            false => Ok(None),
        }
    };
    let (head, base) = (repository("head")?, repository("base")?);
    let from_fork = head.is_none() || head != base;
    Ok(Event::Plan(Commit { head: sha(payload, "pull_request.head.sha")?, pull_request: Some(number), from_fork }))
}

fn sha(payload: &Members, path: &str) -> Result<GitSha, String> {
    let text = payload.text(path)?.ok_or_else(|| absent(path))?;
    text.parse().map_err(|error: RepoError| format!("`{path}`: {}", one_line(&error.to_string(), SENTENCE)))
}

fn absent(path: &str) -> String {
    format!("there is no member `{path}`")
}

fn refused(name: &str) -> Failure {
    let name = one_line(name, SHOWN);
    let failure = Failure::new(Reason::Usage, format!("nothing is done for the event `{name}`"));
    failure.hint(match name.as_str() {
        // It runs with the secrets of the base, on code that anybody may have written.
        "pull_request_target" => "write `on: pull_request`: this one would hand secrets to code from a fork",
        _ => "run the step on `push` or `workflow_dispatch` to deploy, on `pull_request` to see the plan",
    })
}
