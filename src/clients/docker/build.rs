//! Building an image with the engine's BuildKit.

mod redact;
mod session;
mod steps;
mod wire;

use std::collections::BTreeMap;

use bollard::auth::DockerCredentials;
use bollard::models::BuildInfoAux;
use serde_json::json;

use super::context::BuildContext;
use super::{DockerError, Engine, RegistryLogin};
use crate::domain::Secret;
use redact::Redact;
use steps::Steps;
use wire::Wire;

/// What to build.
#[derive(Debug)]
pub struct Build<'a> {
    /// Its files.
    pub context: BuildContext,
    /// `repository:tag` that it gets.
    pub name: &'a str,
    /// The stage, else the last one.
    pub target: Option<&'a str>,
    /// Values for `ARG`.
    pub args: &'a BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: &'a BTreeMap<String, String>,
    /// Values for `RUN --mount=type=secret`, by id. They go to the engine when a step asks for them, and nowhere else.
    pub secrets: &'a BTreeMap<String, Secret<String>>,
    /// False: every step runs, whatever the engine remembers.
    pub cache: bool,
    /// Logins for base images, by registry.
    pub logins: &'a BTreeMap<String, RegistryLogin>,
    /// Unique among the builds of the engine.
    pub session: &'a str,
}

/// A build that failed.
#[derive(Debug)]
pub struct BuildFailed {
    /// What the engine said.
    pub error: DockerError,
    /// The step that failed as BuildKit names it, for example `[2/3] RUN make`.
    pub step: Option<String>,
    /// The last lines that this step said.
    pub last: String,
}

impl Engine {
    /// Builds an image; `line` gets each step and each line of output as it comes, with whatever is in it
    /// but the build's secrets. Gives the image's id. Cancel-safe: dropping the future ends the build.
    ///
    /// # Errors
    /// [`BuildFailed`]: the engine does not answer, or a step failed.
    pub async fn build(&self, build: Build<'_>, line: impl FnMut(String)) -> Result<String, BuildFailed> {
        let mut steps = Steps::new(Redact::new(build.secrets));
        let mut wire = Wire::new(&self.host);
        let built = async {
            let session = wire.session(build.session, &session::METHODS).await?;
            let session = session::serve(session, build.logins, build.secrets);
            let messages = messages(&mut wire, build, &mut steps, line);
            tokio::pin!(session, messages);
            tokio::select! {
                built = &mut messages => built,
                // It has hung up on the session only; it says why in the build.
                () = &mut session => messages.await,
            }
        };
        let error = match built.await {
            Ok(id) => return Ok(id),
            Err(DockerError::Refused { status, message }) => {
                DockerError::Refused { status, message: steps.told(&message) }
            }
            Err(error) => error,
        };
        let (step, last) = steps.failed();
        Err(BuildFailed { error, step, last })
    }
}

pub(super) fn credentials(registry: &str, login: &RegistryLogin) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.expose().clone()),
        serveraddress: Some(registry.to_owned()),
        ..DockerCredentials::default()
    }
}

/// Starts the build and reads what the engine says of it; gives the image's id.
async fn messages(
    wire: &mut Wire<'_>,
    build: Build<'_>,
    steps: &mut Steps<'_>,
    mut line: impl FnMut(String),
) -> Result<String, DockerError> {
    let (args, labels) = (json!(build.args).to_string(), json!(build.labels).to_string());
    let query = [
        // 2 is BuildKit.
        ("version", "2"),
        ("session", build.session),
        ("t", build.name),
        ("dockerfile", build.context.dockerfile()),
        ("target", build.target.unwrap_or_default()),
        ("buildargs", &args),
        ("labels", &labels),
        ("nocache", if build.cache { "0" } else { "1" }),
    ];
    let query = query.map(|(name, value)| (name, value.to_owned()));
    let mut messages = wire.build(&query, build.context.stream()).await?;
    let mut id = None;
    while let Some(message) = messages.next().await? {
        if let Some(said) = message.error_detail.and_then(|detail| detail.message) {
            return Err(DockerError::Refused { status: 0, message: said });
        }
        match message.aux {
            Some(BuildInfoAux::BuildKit(status)) => steps.lines(status, &mut line),
            Some(BuildInfoAux::Default(image)) => id = image.id.or(id),
            None => {}
        }
    }
    let why = "it ended the build without naming an image".to_owned();
    id.ok_or_else(|| DockerError::Unavailable { host: wire.host().to_owned(), why })
}
