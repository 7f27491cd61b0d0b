//! Releases: revisions that were proven. Their tags say so, which they get once a deployment of them ended well; so what
//! can be gone back to is kept where it runs, and needs no place of its own.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{EcsObserved, image_in, task_definition};
use crate::aws_api::ecs::TaskDefinition;
use crate::config::EcsTarget;
use crate::domain::{AppName, EnvName, GitSha, TaskDefinitionArn};

/// Begins the keys of all tags that this program writes. They are of one revision, and never go on to the next.
pub(super) const PREFIX: &str = "deploy-action:";
/// Names the run that lets a service run a revision: the deployments of ECS itself carry no word of ours.
const KEY: &str = "deploy-action:key";
/// Longest value of a tag in characters (ECS API, `Tag`).
const LONGEST: usize = 256;

/// Whose release a revision becomes, and what it was made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The application.
    pub app: AppName,
    /// The environment.
    pub environment: EnvName,
    /// The commit; absent where it is not known, or is known from an earlier time.
    pub commit: Option<GitSha>,
}

impl Mark {
    /// The tags of a revision that a run with this key lets a service run: it is not proven yet.
    #[must_use]
    pub fn begun(&self, key: &str) -> Vec<(String, String)> {
        let commit = self.commit.as_ref().map(|commit| (format!("{PREFIX}commit"), commit.to_string()));
        [key_tag(key)].into_iter().chain(commit).collect()
    }

    /// The tags of a revision whose deployment ended well after its run had ended: what that run knew is there already.
    #[must_use]
    pub fn vouched(&self, now: Timestamp) -> Vec<(String, String)> {
        Self { commit: None, ..self.clone() }.tags(now, "")
    }

    /// The tags of a revision that was proven now.
    #[must_use]
    pub fn tags(&self, now: Timestamp, by: &str) -> Vec<(String, String)> {
        let verified = now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut tags = vec![
            ("app", self.app.to_string()),
            ("environment", self.environment.to_string()),
            ("verified-at", verified),
            ("by", by.chars().filter(|c| is_taken(*c)).take(LONGEST).collect()),
        ];
        tags.extend(self.commit.as_ref().map(|commit| ("commit", commit.to_string())));
        tags.retain(|(_, value)| !value.is_empty());
        tags.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect()
    }
}

/// The tag of the run with this key.
fn key_tag(key: &str) -> (String, String) {
    (KEY.to_owned(), key.chars().filter(|c| is_taken(*c)).take(LONGEST).collect())
}

/// Whether a run whose key begins like this let a service run the revision.
#[must_use]
pub fn was_asked_by(revision: &TaskDefinition, key_begins: &str) -> bool {
    let (key, begins) = key_tag(key_begins);
    let mut tags = revision.tags.iter().filter(|tag| tag["key"] == key.as_str());
    tags.any(|tag| tag["value"].as_str().is_some_and(|value| value.starts_with(&begins)))
}

/// Whether a run of this program let a service run the revision, and nobody proved it.
pub(super) fn was_begun_only(revision: &TaskDefinition) -> bool {
    let proven = format!("{PREFIX}verified-at");
    was_asked_by(revision, "") && revision.tags.iter().all(|tag| tag["key"] != proven.as_str())
}

/// What a value may hold in every service (ECS API, `Tag`); letters of other scripts are left out too.
const fn is_taken(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, ' ' | '+' | '-' | '=' | '.' | '_' | ':' | '/' | '@')
}

/// A revision that was proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// The revision.
    pub revision: TaskDefinitionArn,
    /// The image in it.
    pub image: Option<String>,
    /// When it was proven last.
    pub verified_at: Timestamp,
    /// The commit that its image was made from, where it is known.
    pub commit: Option<String>,
    /// Who asked for it.
    pub by: Option<String>,
}

impl Release {
    /// Of a revision with the tags of this application and environment.
    pub(super) fn of(
        app: &AppName,
        environment: &EnvName,
        target: &EcsTarget,
        revision: &TaskDefinition,
    ) -> Option<Self> {
        let tag = |key: &str| {
            let key = format!("{PREFIX}{key}");
            revision.tags.iter().find(|tag| tag["key"] == key.as_str()).and_then(|tag| tag["value"].as_str())
        };
        let ours = tag("app") == Some(app.as_str()) && tag("environment") == Some(environment.as_str());
        let verified_at = tag("verified-at").filter(|_| ours)?.parse().ok()?;
        Some(Self {
            revision: revision.arn.clone(),
            image: image_in(target, revision),
            verified_at,
            commit: tag("commit").map(str::to_owned),
            by: tag("by").map(str::to_owned),
        })
    }
}

/// All releases among the revisions that were looked at, the one that was proven last first.
#[must_use]
pub fn releases(
    app: &AppName,
    environment: &EnvName,
    target: &EcsTarget,
    revisions: &[TaskDefinition],
) -> Vec<Release> {
    let mut found: Vec<Release> =
        revisions.iter().filter_map(|revision| Release::of(app, environment, target, revision)).collect();
    found.sort_by(|one, other| (other.verified_at, &other.revision).cmp(&(one.verified_at, &one.revision)));
    found
}

/// The release to go back to: the one proven last that makes other tasks than the revision that runs.
pub(super) fn earlier<'a>(
    app: &AppName,
    environment: &EnvName,
    target: &EcsTarget,
    observed: &'a EcsObserved,
) -> Option<(Release, &'a TaskDefinition)> {
    let others = |revision: &&TaskDefinition| {
        let running = observed.running.as_ref();
        running.is_none_or(|running| !task_definition::same(&running.definition, &revision.definition))
    };
    let find = |release: &Release| observed.revisions.iter().find(|revision| revision.arn == release.revision);
    let all = releases(app, environment, target, &observed.revisions);
    all.into_iter().find_map(|release| find(&release).filter(others).map(|revision| (release, revision)))
}

/// The tags that a new revision takes over.
pub(super) fn inherited(tags: &[Value]) -> Vec<Value> {
    let own = |tag: &&Value| tag["key"].as_str().is_some_and(|key| key.starts_with(PREFIX));
    tags.iter().filter(|tag| !own(tag)).cloned().collect()
}
