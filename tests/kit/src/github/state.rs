//! What the double remembers, and its right answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;

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
    fn json(&self) -> Value {
        json!({"id": self.id, "user": {"login": self.author}, "body": self.body})
    }
}

impl Deployment {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "sha": self.asked["ref"], "ref": self.asked["ref"],
            "environment": self.asked["environment"], "payload": self.asked["payload"],
        })
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
        let done = match (call.method.as_str(), parts.as_slice()) {
            ("POST", ["graphql"]) => Some(Answer::json(200, &json!({"data": {"viewer": {"login": VIEWER}}}))),
            ("GET", ["repos", _, _, "commits", sha, "pulls"]) => {
                let numbers = self.pulls.get(*sha).cloned().unwrap_or_default();
                let pulls: Vec<Value> = numbers.iter().map(|number| json!({"number": number})).collect();
                Some(Answer::json(200, &pulls.into()))
            }
            ("GET", ["repos", _, _, "issues", number, "comments"]) => self.list_comments(number, query),
            ("POST", ["repos", _, _, "issues", number, "comments"]) => self.add_comment(number, &call.body),
            ("PATCH", ["repos", _, _, "issues", "comments", id]) => self.edit_comment(id, &call.body),
            ("GET", ["repos", _, _, "deployments"]) => Some(self.list_deployments(query)),
            ("POST", ["repos", _, _, "deployments"]) => Some(self.add_deployment(&call.body)),
            ("GET", ["repos", _, _, "deployments", id, "statuses"]) => {
                self.deployment(id).map(|one| Answer::json(200, &one.statuses.clone().into()))
            }
            ("POST", ["repos", _, _, "deployments", id, "statuses"]) => self.deployment(id).map(|one| {
                one.statuses.push(call.body.clone());
                Answer::json(201, &call.body)
            }),
            _ => None,
        };
        done.unwrap_or_else(|| Answer::refused(404, "Not Found"))
    }

    fn list_comments(&self, number: &str, query: &str) -> Option<Answer> {
        let number: u64 = number.parse().ok()?;
        let size = value(query, "per_page").unwrap_or("30").parse().ok()?;
        let page: usize = value(query, "page").unwrap_or("1").parse().ok()?;
        let on = self.comments.iter().filter(|comment| comment.pull_request == number);
        let page: Vec<Value> = on.skip((page.checked_sub(1)?) * size).take(size).map(Comment::json).collect();
        Some(Answer::json(200, &page.into()))
    }

    fn add_comment(&mut self, number: &str, body: &Value) -> Option<Answer> {
        let text = body.get("body")?.as_str()?;
        if text.chars().count() > 65_536 {
            return Some(Answer::refused(422, "Body is too long"));
        }
        self.comment(number.parse().ok()?, VIEWER, text);
        self.comments.last().map(|comment| Answer::json(201, &comment.json()))
    }

    fn edit_comment(&mut self, id: &str, body: &Value) -> Option<Answer> {
        let id: u64 = id.parse().ok()?;
        let comment = self.comments.iter_mut().find(|comment| comment.id == id)?;
        if comment.author != VIEWER {
            return Some(Answer::refused(403, "Must have admin rights to Repository."));
        }
        body.get("body")?.as_str()?.clone_into(&mut comment.body);
        Some(Answer::json(200, &comment.json()))
    }

    fn list_deployments(&self, query: &str) -> Answer {
        let fits = |one: &&Deployment| {
            let same = |name: &str, member: &str| value(query, name).is_none_or(|wanted| one.asked[member] == wanted);
            same("sha", "ref") && same("environment", "environment")
        };
        let found: Vec<Value> = self.deployments.iter().rev().filter(fits).map(Deployment::json).collect();
        Answer::json(200, &found.into())
    }

    fn add_deployment(&mut self, asked: &Value) -> Answer {
        let id = 5_000 + self.deployments.len() as u64;
        let one = Deployment { id, asked: asked.clone(), statuses: Vec::new() };
        let answer = Answer::json(201, &one.json());
        self.deployments.push(one);
        answer
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
