//! Building an image with the engine's BuildKit.

use std::collections::{BTreeMap, HashMap, HashSet};

use bollard::auth::DockerCredentials;
use bollard::models::BuildInfoAux;
use bollard::query_parameters::{BuildImageOptions, BuilderVersion};
use futures_util::StreamExt;

use super::context::BuildContext;
use super::{DockerError, Engine, RegistryLogin};

/// What to build.
#[derive(Debug)]
pub struct Build<'a> {
    /// Its files.
    pub context: BuildContext,
    /// `repository:tag` that it gets.
    pub name: &'a str,
    /// The stage, else the last one.
    pub target: Option<&'a str>,
    /// `linux/amd64`; empty for the engine's own.
    pub platform: &'a str,
    /// Values for `ARG`.
    pub args: &'a BTreeMap<String, String>,
    /// Labels of the image.
    pub labels: &'a BTreeMap<String, String>,
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
}

impl Engine {
    /// Builds an image; `line` gets each step and each line of output as it comes, with whatever is in it. Gives the
    /// image's id. Cancel-safe: dropping the future ends the build.
    ///
    /// # Errors
    /// [`BuildFailed`]: the engine does not answer, or a step failed.
    pub async fn build(&self, build: Build<'_>, mut line: impl FnMut(String)) -> Result<String, BuildFailed> {
        let owned = |map: &BTreeMap<String, String>| -> HashMap<String, String> {
            map.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let options = BuildImageOptions {
            dockerfile: build.context.dockerfile().to_owned(),
            t: Some(build.name.to_owned()),
            target: build.target.unwrap_or_default().to_owned(),
            platform: build.platform.to_owned(),
            buildargs: Some(owned(build.args)),
            labels: Some(owned(build.labels)),
            version: BuilderVersion::BuilderBuildKit,
            session: Some(build.session.to_owned()),
            ..BuildImageOptions::default()
        };
        let credentials =
            build.logins.iter().map(|(registry, login)| (hub_key(registry), credentials(registry, login)));
        let context = bollard::body_try_stream(build.context.stream());
        let mut progress = self.docker.build_image(options, Some(credentials.collect()), Some(context));
        let mut steps = Steps::default();
        let mut id = None;
        while let Some(message) = progress.next().await {
            let message = message.map_err(|error| BuildFailed {
                error: DockerError::from_bollard(&self.host, error),
                step: steps.failed.take(),
            })?;
            match message.aux {
                Some(BuildInfoAux::BuildKit(status)) => steps.lines(status, &mut line),
                Some(BuildInfoAux::Default(image)) => id = image.id.or(id),
                None => {}
            }
        }
        id.ok_or_else(|| BuildFailed {
            error: DockerError::Unavailable {
                host: self.host.clone(),
                why: "it ended the build without naming an image".to_owned(),
            },
            step: None,
        })
    }
}

/// What is known of a build's steps.
#[derive(Debug, Default)]
struct Steps {
    shown: HashSet<String>,
    failed: Option<String>,
}

impl Steps {
    fn lines(&mut self, status: bollard::moby::buildkit::v1::StatusResponse, line: &mut impl FnMut(String)) {
        for step in status.vertexes {
            // What BuildKit does for itself is worth a line only when it fails.
            let own = step.name.starts_with("[internal]") || step.name == "copy /context /";
            if step.started.is_some() && !own && self.shown.insert(step.digest) {
                line(if step.cached { format!("{} (cached)", step.name) } else { step.name.clone() });
            }
            // A failing step takes others with it; those say `context canceled`.
            if !step.error.is_empty() && !step.error.contains("context canceled") && self.failed.is_none() {
                self.failed = Some(step.name);
            }
        }
        for log in status.logs {
            for text in String::from_utf8_lossy(&log.msg).lines() {
                line(format!("  | {text}"));
            }
        }
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

/// BuildKit asks for Docker Hub's login under the name of its registry host.
fn hub_key(registry: &str) -> String {
    if registry == "docker.io" { "registry-1.docker.io".to_owned() } else { registry.to_owned() }
}
