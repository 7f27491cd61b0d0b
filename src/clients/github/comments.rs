//! The one comment of a service in an environment on a pull request, found again by its author and its first line.

use serde_json::{Value, json};

use super::GitHub;
use super::call::{Call, Method};
use super::error::{GitHubError, Trouble};
use crate::domain::{GitSha, PrNumber};

/// Comments on a page; GitHub's most.
const PAGE: usize = 100;
/// Pages looked through for ours. On a longer conversation nothing is posted: a second comment would be worse.
const PAGES: usize = 4;

const WRITE: &str = "pull-requests: write";
const READ: &str = "pull-requests: read";

/// GitHub's number of a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommentId(pub u64);

/// A comment of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OurComment {
    /// Its number.
    pub id: CommentId,
    /// Its text, marker included.
    pub text: String,
}

impl GitHub {
    /// The pull requests that a commit belongs to. Repeated.
    ///
    /// # Errors
    /// GitHub does not say.
    pub async fn pull_requests_of(&self, commit: &GitSha) -> Result<Vec<PrNumber>, GitHubError> {
        let call = Call {
            what: "looking for the commit's pull request",
            method: Method::Get,
            path: self.path(&format!("/commits/{commit}/pulls?per_page=10")),
            body: Value::Null,
            permission: READ,
        };
        let answer = self.repeat(&call).await?;
        let number = |pull: &Value| PrNumber::try_from(pull.get("number")?.as_u64()?).ok();
        Ok(items(&answer, call.what)?.iter().filter_map(number).collect())
    }

    /// Edits the comment of that number, or the one that is ours (written by the token's owner, first line `marker`), or
    /// creates it. `body` begins with `marker` and a line break. Edits are repeated, a creation only where it was lost.
    /// `None` where the one that is found is to be left alone.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn upsert_comment(
        &self,
        pull_request: PrNumber,
        marker: &str,
        body: &str,
        known: Option<CommentId>,
        leave: impl Fn(&OurComment) -> bool,
    ) -> Result<Option<CommentId>, GitHubError> {
        if let Some(known) = known {
            match self.edit_comment(known, body).await {
                // Somebody deleted it: it is made anew.
                Err(error) if error.trouble == Trouble::Missing => {}
                result => return result.map(|()| Some(known)),
            }
        }
        if let Some(found) = self.comment(pull_request, marker).await? {
            if leave(&found) {
                return Ok(None);
            }
            return self.edit_comment(found.id, body).await.map(|()| Some(found.id));
        }
        let call = Call {
            what: "creating the comment",
            method: Method::Post,
            path: self.path(&format!("/issues/{pull_request}/comments")),
            body: json!({"body": body}),
            permission: WRITE,
        };
        let find = || async { Ok(self.comment(pull_request, marker).await?.map(|found| found.id)) };
        self.create(&call, id, find).await.map(Some)
    }

    /// Replaces a comment's text. Repeated.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn edit_comment(&self, comment: CommentId, body: &str) -> Result<(), GitHubError> {
        let call = Call {
            what: "editing the comment",
            method: Method::Patch,
            path: self.path(&format!("/issues/comments/{}", comment.0)),
            body: json!({"body": body}),
            permission: WRITE,
        };
        self.repeat(&call).await.map(|_| ())
    }

    /// The comment that is ours: written by the token's owner, first line `marker`. Repeated.
    ///
    /// # Errors
    /// It was refused, GitHub does not answer, or the conversation is too long to be looked through.
    pub async fn comment(&self, pull_request: PrNumber, marker: &str) -> Result<Option<OurComment>, GitHubError> {
        let what = "looking for the comment";
        let viewer = self.viewer().await?;
        for page in 1..=PAGES {
            let call = Call {
                what,
                method: Method::Get,
                path: self.path(&format!("/issues/{pull_request}/comments?per_page={PAGE}&page={page}")),
                body: Value::Null,
                permission: WRITE,
            };
            let answer = self.repeat(&call).await?;
            let comments = items(&answer, what)?;
            let ours = |comment: &&Value| {
                let author = comment.pointer("/user/login").and_then(Value::as_str);
                let first = comment.get("body").and_then(Value::as_str).and_then(|body| body.lines().next());
                author == Some(viewer) && first == Some(marker)
            };
            if let Some(found) = comments.iter().find(ours) {
                let text = found.get("body").and_then(Value::as_str).unwrap_or_default().to_owned();
                return Ok(id(found).map(|id| OurComment { id, text }));
            }
            if comments.len() < PAGE {
                return Ok(None);
            }
        }
        let came = format!("it is not among the first {} comments; the job summary has the report", PAGE * PAGES);
        Err(GitHubError::new(Trouble::Limited, what, &came))
    }

    /// Who the token belongs to. Asked once.
    async fn viewer(&self) -> Result<&str, GitHubError> {
        let ask = || async {
            let call = Call {
                what: "asking whose token it is",
                method: Method::Post,
                path: self.graphql.clone(),
                body: json!({"query": "query { viewer { login } }"}),
                permission: READ,
            };
            let answer = self.repeat(&call).await?;
            let login = answer.pointer("/data/viewer/login").and_then(Value::as_str).map(str::to_owned);
            login.ok_or_else(|| GitHubError::new(Trouble::Refused, call.what, "GitHub's answer names nobody"))
        };
        self.viewer.get_or_try_init(ask).await.map(String::as_str)
    }
}

fn id(comment: &Value) -> Option<CommentId> {
    comment.get("id").and_then(Value::as_u64).map(CommentId)
}

/// The members of a list.
pub(super) fn items<'a>(answer: &'a Value, what: &str) -> Result<&'a [Value], GitHubError> {
    let items = answer.as_array().map(Vec::as_slice);
    items.ok_or_else(|| GitHubError::unreachable(what, "GitHub answers with something else than a list"))
}
