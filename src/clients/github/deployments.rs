//! A deployment as GitHub shows it, and its statuses.

use serde_json::{Value, json};

use super::GitHub;
use super::call::{Call, Method};
use super::comments::items;
use super::error::GitHubError;
use crate::domain::{AppName, DeploymentId, EnvName, GitSha, HttpUrl, ImageRef, ServiceLabel, one_line};

/// Longest description of a status, in characters (GitHub's limit).
const DESCRIPTION: usize = 140;

/// How many of the newest deployments are looked through for those of ours.
const RECENT: usize = 30;

const WRITE: &str = "deployments: write";

/// GitHub's number of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeploymentNumber(pub u64);

/// Whose a deployment is. Jobs of one run may deploy several services to environments of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The workflow run.
    pub run_id: u64,
    /// Its attempt, from 1.
    pub attempt: u32,
    /// The application.
    pub app: AppName,
    /// Its service.
    pub service: ServiceLabel,
}

/// What makes a deployment ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentPayload {
    /// Whose it is.
    pub owner: Owner,
    /// The agent's name for the deployment.
    pub deployment: DeploymentId,
}

/// A deployment of ours as GitHub lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDeployment {
    /// GitHub's number.
    pub number: DeploymentNumber,
    /// Its commit.
    pub commit: GitSha,
    /// Whose it is.
    pub payload: DeploymentPayload,
}

/// A deployment to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment {
    /// The very commit that is deployed.
    pub commit: GitSha,
    /// Where to.
    pub environment: EnvName,
    /// True where it goes away with its pull request.
    pub transient: bool,
    /// Finds it again.
    pub payload: DeploymentPayload,
    /// The image by digest, where it is known: kept in the payload, so that what was deployed is known from GitHub alone.
    pub image: Option<ImageRef>,
}

/// How a deployment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeploymentState {
    /// It runs.
    InProgress,
    /// The new release serves.
    Success,
    /// It failed; the version from before serves.
    Failure,
    /// It failed and a person must look.
    Error,
    /// It was given up before it changed anything.
    Inactive,
}

impl DeploymentState {
    /// GitHub's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InProgress => "in_progress",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Error => "error",
            Self::Inactive => "inactive",
        }
    }
}

/// A status to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentStatus {
    /// How it stands.
    pub state: DeploymentState,
    /// One sentence; cut at 140 characters.
    pub description: String,
    /// The run's page.
    pub log_url: String,
    /// The environment's address for people, where it is known. Shown only with `https`: trusted workflows may follow it.
    pub environment_url: Option<HttpUrl>,
}

impl GitHub {
    /// Creates a deployment of exactly this commit: nothing is merged, no check is waited for. Never made twice.
    ///
    /// # Errors
    /// It was refused, GitHub does not answer, or answers with another commit.
    pub async fn create_deployment(&self, new: &NewDeployment) -> Result<DeploymentNumber, GitHubError> {
        let call = Call {
            what: "creating the deployment",
            method: Method::Post,
            path: self.path("/deployments"),
            body: json!({
                "ref": new.commit.as_str(),
                "task": "deploy",
                "auto_merge": false,
                "required_contexts": [],
                "environment": new.environment.as_str(),
                "transient_environment": new.transient,
                "production_environment": matches!(new.environment.as_str(), "production" | "prod"),
                "payload": new.payload.document(new.image.as_ref()),
            }),
            permission: WRITE,
        };
        let read = |answer: &Value| {
            let sha = answer.get("sha").and_then(Value::as_str).map(str::to_owned);
            Some((number(answer)?, sha?))
        };
        let find = || async {
            let found = self.find(&new.commit, &new.environment, &new.payload).await?;
            Ok(found.map(|number| (number, new.commit.as_str().to_owned())))
        };
        let (number, sha) = self.create(&call, read, find).await?;
        if sha == new.commit.as_str() {
            return Ok(number);
        }
        let came = format!("GitHub made one of commit {sha} instead of {}", new.commit);
        Err(GitHubError::unreachable(call.what, &came))
    }

    /// Adds a status. A lost answer is repeated only while the status is not there.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn add_status(&self, deployment: DeploymentNumber, status: &DeploymentStatus) -> Result<(), GitHubError> {
        let description = one_line(&status.description, DESCRIPTION);
        let mut body = json!({
            "state": status.state.as_str(),
            "description": description,
            "log_url": status.log_url,
            "auto_inactive": true,
        });
        if let Some(url) = status.environment_url.as_ref().filter(|url| url.secure) {
            body["environment_url"] = json!(url.to_string());
        }
        let what = "reporting the deployment's status";
        let path = self.path(&format!("/deployments/{}/statuses", deployment.0));
        let call = Call { what, method: Method::Post, path, body, permission: WRITE };
        let read = |answer: &Value| answer.get("state").map(|_| ());
        let find = || async {
            let statuses = self.statuses(deployment).await?;
            let same = |known: &Value| {
                let text = |name: &str| known.get(name).and_then(Value::as_str);
                text("state") == Some(status.state.as_str()) && text("description") == Some(&description)
            };
            Ok(statuses.iter().any(same).then_some(()))
        };
        self.create(&call, read, find).await
    }

    /// An owner's deployments of a commit to an environment, each with the agent's name for it. Repeated.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn deployments_of(
        &self,
        commit: &GitSha,
        environment: &EnvName,
        owner: &Owner,
    ) -> Result<Vec<(DeploymentNumber, DeploymentId)>, GitHubError> {
        let all = self.list(commit, environment).await?;
        let ours =
            all.iter().filter_map(|known| Some((number(known)?, DeploymentPayload::read(known.get("payload")?)?)));
        let ours = ours.filter(|(_, payload)| payload.owner == *owner);
        Ok(ours.map(|(number, payload)| (number, payload.deployment)).collect())
    }

    /// The newest deployments of ours to an environment, newest first. Repeated.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn recent_deployments(&self, environment: &EnvName) -> Result<Vec<KnownDeployment>, GitHubError> {
        let all = self.listed(&format!("environment={environment}&per_page={RECENT}")).await?;
        Ok(all.iter().filter_map(KnownDeployment::read).collect())
    }

    /// The descriptions of a deployment's last words: of those statuses after which nothing is expected. Repeated.
    ///
    /// # Errors
    /// It was refused, or GitHub does not answer.
    pub async fn last_words(&self, deployment: DeploymentNumber) -> Result<Vec<String>, GitHubError> {
        let statuses = self.statuses(deployment).await?;
        let text = |status: &Value, name: &str| status.get(name).and_then(Value::as_str).map(str::to_owned);
        let goes_on = [DeploymentState::InProgress.as_str(), "queued", "pending"];
        let ended = |status: &&Value| text(status, "state").is_some_and(|state| !goes_on.contains(&state.as_str()));
        Ok(statuses.iter().filter(ended).map(|status| text(status, "description").unwrap_or_default()).collect())
    }

    async fn statuses(&self, deployment: DeploymentNumber) -> Result<Vec<Value>, GitHubError> {
        let look = Call {
            what: "looking for the deployment's status",
            method: Method::Get,
            path: self.path(&format!("/deployments/{}/statuses?per_page=100", deployment.0)),
            body: Value::Null,
            permission: WRITE,
        };
        Ok(items(&self.repeat(&look).await?, look.what)?.to_vec())
    }

    async fn find(
        &self,
        commit: &GitSha,
        environment: &EnvName,
        payload: &DeploymentPayload,
    ) -> Result<Option<DeploymentNumber>, GitHubError> {
        let ours = |known: &&Value| known.get("payload").is_some_and(|known| payload.is(known));
        Ok(self.list(commit, environment).await?.iter().find(ours).and_then(number))
    }

    async fn list(&self, commit: &GitSha, environment: &EnvName) -> Result<Vec<Value>, GitHubError> {
        self.listed(&format!("sha={commit}&environment={environment}&per_page=100")).await
    }

    async fn listed(&self, query: &str) -> Result<Vec<Value>, GitHubError> {
        let call = Call {
            what: "looking for the deployment",
            method: Method::Get,
            path: self.path(&format!("/deployments?{query}")),
            body: Value::Null,
            permission: WRITE,
        };
        let answer = self.repeat(&call).await?;
        Ok(items(&answer, call.what)?.to_vec())
    }
}

impl KnownDeployment {
    /// `None` for what somebody else made.
    fn read(known: &Value) -> Option<Self> {
        Some(Self {
            number: number(known)?,
            commit: known.get("sha")?.as_str()?.parse().ok()?,
            payload: DeploymentPayload::read(known.get("payload")?)?,
        })
    }
}

impl DeploymentPayload {
    fn document(&self, image: Option<&ImageRef>) -> Value {
        let Owner { run_id, attempt, app, service } = &self.owner;
        json!({
            "run_id": run_id,
            "attempt": attempt,
            "app": app.as_str(),
            "service": service.as_str(),
            "deployment": self.deployment.as_str(),
            "image": image.map(ToString::to_string),
        })
    }

    fn is(&self, known: &Value) -> bool {
        Self::read(known).as_ref() == Some(self)
    }

    /// GitHub returns an object as it came, or as the text of one. `None` for what somebody else wrote.
    fn read(known: &Value) -> Option<Self> {
        let parsed = known.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let known = parsed.as_ref().unwrap_or(known);
        let owner = Owner {
            run_id: known.get("run_id")?.as_u64()?,
            attempt: known.get("attempt")?.as_u64()?.try_into().ok()?,
            app: known.get("app")?.as_str()?.parse().ok()?,
            service: known.get("service")?.as_str()?.parse().ok()?,
        };
        Some(Self { owner, deployment: known.get("deployment")?.as_str()?.parse().ok()? })
    }
}

fn number(deployment: &Value) -> Option<DeploymentNumber> {
    deployment.get("id").and_then(Value::as_u64).map(DeploymentNumber)
}
