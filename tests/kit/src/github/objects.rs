//! Objects as GitHub shows them, with every member that its description requires.

use serde_json::{Map, Value, json};

/// When everything happened.
const WHEN: &str = "2026-03-01T10:00:00Z";
const API: &str = "https://api.github.com";
const WEB: &str = "https://github.com";

/// Members `<name>_url`, each below `base`.
fn urls(base: &str, names: &str) -> Map<String, Value> {
    names.split_whitespace().map(|name| (format!("{name}_url"), format!("{base}/{name}").into())).collect()
}

/// The members of both, as one object.
fn with(mut urls: Map<String, Value>, mut rest: Value) -> Value {
    if let Some(rest) = rest.as_object_mut() {
        urls.append(rest);
    }
    urls.into()
}

pub(super) fn user(login: &str) -> Value {
    let in_url = login.replace('[', "%5B").replace(']', "%5D");
    let url = format!("{API}/users/{in_url}");
    let names = "events followers following gists organizations received_events repos starred subscriptions";
    let own = json!({
        "login": login, "id": 41, "node_id": "U_41", "type": "Bot", "site_admin": false, "gravatar_id": "",
        "avatar_url": format!("{WEB}/{in_url}.png"), "html_url": format!("{WEB}/{in_url}"), "url": url,
    });
    with(urls(&url, names), own)
}

fn repository(repo: &str) -> Value {
    let (owner, name) = repo.split_once('/').unwrap_or((repo, repo));
    let (url, web) = (format!("{API}/repos/{repo}"), format!("{WEB}/{repo}"));
    let names = "archive assignees blobs branches collaborators comments commits compare contents contributors \
                 deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events \
                 issues keys labels languages merges milestones notifications pulls releases stargazers statuses \
                 subscribers subscription tags teams trees";
    let own = json!({
        "id": 9, "node_id": "R_9", "name": name, "full_name": repo, "owner": user(owner), "private": true,
        "fork": false, "description": null, "homepage": null, "language": null, "license": null, "mirror_url": null,
        "default_branch": "main", "archived": false, "disabled": false, "size": 1,
        "has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false, "has_downloads": false,
        "forks": 0, "forks_count": 0, "open_issues": 1, "open_issues_count": 1, "watchers": 0, "watchers_count": 0,
        "stargazers_count": 0, "created_at": WHEN, "updated_at": WHEN, "pushed_at": WHEN,
        "url": url, "html_url": web, "clone_url": format!("{web}.git"), "svn_url": web,
        "git_url": format!("git://github.com/{repo}.git"), "ssh_url": format!("git@github.com:{repo}.git"),
    });
    with(urls(&url, names), own)
}

pub(super) fn comment(repo: &str, id: u64, pull_request: u64, author: &str, body: &str) -> Value {
    json!({
        "id": id, "node_id": format!("IC_{id}"), "user": user(author), "body": body, "author_association": "NONE",
        "created_at": WHEN, "updated_at": WHEN, "performed_via_github_app": null,
        "url": format!("{API}/repos/{repo}/issues/comments/{id}"),
        "issue_url": format!("{API}/repos/{repo}/issues/{pull_request}"),
        "html_url": format!("{WEB}/{repo}/pull/{pull_request}#issuecomment-{id}"),
    })
}

pub(super) fn pull_request(repo: &str, number: u64, commit: &str) -> Value {
    let (url, web) = (format!("{API}/repos/{repo}/pulls/{number}"), format!("{WEB}/{repo}/pull/{number}"));
    let side = |branch: &str, sha: &str| {
        json!({
            "label": format!("acme:{branch}"), "ref": branch, "sha": sha, "repo": repository(repo),
            "user": user("acme"),
        })
    };
    let link = |name: &str| json!({"href": format!("{url}/{name}")});
    let own = json!({
        "id": 1_000_000 + number, "node_id": format!("PR_{number}"), "number": number, "state": "open",
        "locked": false, "title": "A change", "body": null, "user": user("eve"), "labels": [], "milestone": null,
        "assignee": null, "author_association": "NONE", "auto_merge": null, "merge_commit_sha": null,
        "created_at": WHEN, "updated_at": WHEN, "closed_at": null, "merged_at": null,
        "head": side("change", commit), "base": side("main", &"0".repeat(40)),
        "_links": {
            "self": link(""), "html": {"href": web}, "issue": link("issue"), "comments": link("comments"),
            "review_comments": link("comments"), "review_comment": link("comment"), "commits": link("commits"),
            "statuses": link("statuses"),
        },
        "url": url, "html_url": web, "diff_url": format!("{web}.diff"), "patch_url": format!("{web}.patch"),
    });
    with(urls(&url, "comments commits issue review_comment review_comments statuses"), own)
}

pub(super) fn deployment(repo: &str, id: u64, asked: &Value) -> Value {
    let url = format!("{API}/repos/{repo}/deployments/{id}");
    json!({
        "id": id, "node_id": format!("DE_{id}"), "sha": asked["ref"], "ref": asked["ref"],
        "task": or(asked, "task", "deploy"), "environment": or(asked, "environment", "production"),
        "original_environment": or(asked, "environment", "production"), "payload": or(asked, "payload", ""),
        "description": asked["description"], "creator": user(super::VIEWER), "created_at": WHEN, "updated_at": WHEN,
        "transient_environment": asked["transient_environment"] == true,
        "production_environment": asked["production_environment"] == true,
        "statuses_url": format!("{url}/statuses"), "repository_url": format!("{API}/repos/{repo}"), "url": url,
    })
}

pub(super) fn status(repo: &str, deployment: u64, number: usize, asked: &Value) -> Value {
    let url = format!("{API}/repos/{repo}/deployments/{deployment}");
    let log = or(asked, "log_url", "");
    json!({
        "id": number, "node_id": format!("DS_{number}"), "state": asked["state"], "creator": user(super::VIEWER),
        "description": or(asked, "description", ""), "target_url": log, "log_url": log,
        "created_at": WHEN, "updated_at": WHEN, "url": format!("{url}/statuses/{number}"), "deployment_url": url,
        "repository_url": format!("{API}/repos/{repo}"),
    })
}

/// A member that was given, or GitHub's default for it.
fn or(asked: &Value, name: &str, default: &str) -> Value {
    asked.get(name).cloned().unwrap_or_else(|| default.into())
}
