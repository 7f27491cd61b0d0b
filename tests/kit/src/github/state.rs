//! What the double remembers, and its right answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;
use super::objects;

/// Whose token every token is.
pub const VIEWER: &str = "github-actions[bot]";

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pulls: BTreeMap<String, Vec<u64>>,
    comments: Vec<Comment>,
    deployments: Vec<Deployment>,
}

#[derive(Debug)]
struct Comment {
    id: u64,
    pull_request: u64,
    author: String,
    body: String,
}

#[derive(Debug)]
struct Deployment {
    id: u64,
    asked: Value,
    statuses: Vec<Value>,
}

impl Comment {
    fn json(&self, repo: &str) -> Value {
        objects::comment(repo, self.id, self.pull_request, &self.author, &self.body)
    }
}

impl State {
    pub(super) fn comment(&mut self, pull_request: u64, author: &str, body: &str) -> u64 {
        let id = 1_000 + self.comments.len() as u64;
        self.comments.push(Comment { id, pull_request, author: author.to_owned(), body: body.to_owned() });
        id
    }

    pub(super) fn comments_on(&self, pull_request: u64) -> Vec<(String, String)> {
        let on = self.comments.iter().filter(|comment| comment.pull_request == pull_request);
        on.map(|comment| (comment.author.clone(), comment.body.clone())).collect()
    }

    pub(super) fn deployments(&self) -> Vec<(Value, Vec<Value>)> {
        self.deployments.iter().map(|one| (one.asked.clone(), one.statuses.clone())).collect()
    }

    /// Does what the call asks for.
    pub(super) fn answer(&mut self, call: &Call) -> Answer {
        if !call.authorized {
            return Answer::refused(401, "Requires authentication");
        }
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let done = match parts.as_slice() {
            ["graphql"] => Some(Answer::json(200, &json!({"data": {"viewer": {"login": VIEWER}}}))),
            ["repos", owner, name, rest @ ..] => self.of_repository(&format!("{owner}/{name}"), rest, query, call),
            _ => None,
        };
        done.unwrap_or_else(|| Answer::refused(404, "Not Found"))
    }

    fn of_repository(&mut self, repo: &str, path: &[&str], query: &str, call: &Call) -> Option<Answer> {
        match (call.method.as_str(), path) {
            ("GET", ["commits", sha, "pulls"]) => Some(self.list_pulls(repo, sha)),
            ("GET", ["issues", number, "comments"]) => self.list_comments(repo, number, query),
            ("POST", ["issues", number, "comments"]) => self.add_comment(repo, number, &call.body),
            ("PATCH", ["issues", "comments", id]) => self.edit_comment(repo, id, &call.body),
            ("GET", ["deployments"]) => Some(self.list_deployments(repo, query)),
            ("POST", ["deployments"]) => Some(self.add_deployment(repo, &call.body)),
            ("GET", ["deployments", id, "statuses"]) => self.list_statuses(repo, id),
            ("POST", ["deployments", id, "statuses"]) => self.add_status(repo, id, &call.body),
            _ => None,
        }
    }

    fn list_pulls(&self, repo: &str, sha: &str) -> Answer {
        let numbers = self.pulls.get(sha).map(Vec::as_slice).unwrap_or_default();
        let pulls: Vec<Value> = numbers.iter().map(|number| objects::pull_request(repo, *number, sha)).collect();
        Answer::json(200, &pulls.into())
    }

    fn list_comments(&self, repo: &str, number: &str, query: &str) -> Option<Answer> {
        let number: u64 = number.parse().ok()?;
        let size = value(query, "per_page").unwrap_or("30").parse().ok()?;
        let page: usize = value(query, "page").unwrap_or("1").parse().ok()?;
        let on = self.comments.iter().filter(|comment| comment.pull_request == number);
        let page = on.skip((page.checked_sub(1)?) * size).take(size);
        Some(Answer::json(200, &page.map(|comment| comment.json(repo)).collect()))
    }

    fn add_comment(&mut self, repo: &str, number: &str, body: &Value) -> Option<Answer> {
        let text = body.get("body")?.as_str()?;
        if text.chars().count() > 65_536 {
            return Some(Answer::refused(422, "Body is too long"));
        }
        self.comment(number.parse().ok()?, VIEWER, text);
        self.comments.last().map(|comment| Answer::json(201, &comment.json(repo)))
    }

    fn edit_comment(&mut self, repo: &str, id: &str, body: &Value) -> Option<Answer> {
        let id: u64 = id.parse().ok()?;
        let comment = self.comments.iter_mut().find(|comment| comment.id == id)?;
        if comment.author != VIEWER {
            return Some(Answer::refused(403, "Must have admin rights to Repository."));
        }
        body.get("body")?.as_str()?.clone_into(&mut comment.body);
        Some(Answer::json(200, &comment.json(repo)))
    }

    /// Newest first, as GitHub lists them.
    fn list_deployments(&self, repo: &str, query: &str) -> Answer {
        let fits = |one: &&Deployment| {
            let same = |name: &str, member: &str| value(query, name).is_none_or(|wanted| one.asked[member] == wanted);
            same("sha", "ref") && same("environment", "environment")
        };
        let found = self.deployments.iter().rev().filter(fits);
        Answer::json(200, &found.map(|one| objects::deployment(repo, one.id, &one.asked)).collect())
    }

    fn add_deployment(&mut self, repo: &str, asked: &Value) -> Answer {
        let id = 5_000 + self.deployments.len() as u64;
        self.deployments.push(Deployment { id, asked: asked.clone(), statuses: Vec::new() });
        Answer::json(201, &objects::deployment(repo, id, asked))
    }

    /// Newest first, as GitHub lists them.
    fn list_statuses(&mut self, repo: &str, id: &str) -> Option<Answer> {
        let one = self.deployment(id)?;
        let statuses = one.statuses.iter().enumerate().rev();
        let shown = statuses.map(|(number, asked)| objects::status(repo, one.id, number, asked));
        Some(Answer::json(200, &shown.collect()))
    }

    fn add_status(&mut self, repo: &str, id: &str, asked: &Value) -> Option<Answer> {
        let one = self.deployment(id)?;
        one.statuses.push(asked.clone());
        Some(Answer::json(201, &objects::status(repo, one.id, one.statuses.len() - 1, asked)))
    }

    fn deployment(&mut self, id: &str) -> Option<&mut Deployment> {
        let id: u64 = id.parse().ok()?;
        self.deployments.iter_mut().find(|one| one.id == id)
    }
}

/// A parameter's value, as it stands.
fn value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}
