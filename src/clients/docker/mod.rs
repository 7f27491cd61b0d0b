//! The Docker Engine over its socket: a thin client that gives our own shapes.
//!
//! Decides nothing. Every call is bounded in time; requests carry no API version, so the engine answers in its own
//! (Engine 20.10 speaks 1.41, Engine 29 refuses anything below 1.40).

mod build;
mod container;
mod context;
mod error;
mod ignore;
mod image;
mod logs;
mod network;
mod push;
mod version;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::models::EventMessageTypeEnum;
use bollard::query_parameters::{
    EventsOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt};

pub use build::{Build, BuildFailed};
pub use container::{Address, Container, Listed};
pub use context::{BuildContext, ContextError, LARGEST};
pub use error::DockerError;
pub use ignore::{Ignore, IgnoreError};
pub use image::{Image, RegistryLogin};
pub use network::{Kept, Network, Pool};
pub use version::Version;

/// Longest wait for an answer that involves no transfer and no container's own stop.
const CALL: Duration = Duration::from_secs(30);
/// Where the system's containerd keeps what it has.
const CONTAINERD: &str = "/var/lib/containerd";
/// Where the engine listens when `DOCKER_HOST` says nothing.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// A change of a container that someone made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// Docker's word: `start`, `die`, `destroy`, `health_status: healthy` …; `connect` and `disconnect` of a network.
    pub action: String,
    /// Container id.
    pub id: String,
    /// Compose project, where it has one; a network's event tells none.
    pub project: Option<String>,
    /// Compose service, where it has one.
    pub service: Option<String>,
}

/// A connection to one engine.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
}

impl Engine {
    /// Prepares a client for `host` (`unix://…` or `tcp://…`, as in `DOCKER_HOST`); connects at the first call.
    ///
    /// # Errors
    /// [`DockerError::Unavailable`] where the address is malformed or its socket does not exist.
    pub fn new(host: &str) -> Result<Self, DockerError> {
        let unavailable = |why: String| DockerError::Unavailable { host: host.to_owned(), why };
        if let Some(path) = host.strip_prefix("unix://")
            && !std::path::Path::new(path).exists()
        {
            return Err(unavailable("the socket does not exist".to_owned()));
        }
        let docker = Docker::connect_with_host(host).map_err(|error| unavailable(error.to_string()))?;
        Ok(Self { docker: docker.with_timeout(Duration::from_secs(3600)), host: host.to_owned() })
    }

    /// The address it talks to.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Engine and API version.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn version(&self) -> Result<Version, DockerError> {
        let version = self.bounded(self.docker.version()).await?;
        let part = |text: Option<String>| text.unwrap_or_else(|| "unknown".to_owned());
        Ok(Version {
            engine: part(version.version),
            api: part(version.api_version),
            platform: format!("{}/{}", part(version.os), part(version.arch)),
        })
    }

    /// The folder where the engine keeps images and containers.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn data_root(&self) -> Result<String, DockerError> {
        Ok(self.bounded(self.docker.info()).await?.docker_root_dir.unwrap_or_default())
    }

    /// True where somebody accepts connections at its address: it is there, or about to be. One that is not a socket of this
    /// machine counts as there.
    pub async fn listens(&self) -> bool {
        match self.host.strip_prefix("unix://") {
            Some(path) => tokio::net::UnixStream::connect(path).await.is_ok(),
            None => true,
        }
    }

    /// True where its containers go on running when it is started again.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn live_restore(&self) -> Result<bool, DockerError> {
        Ok(self.bounded(self.docker.info()).await?.live_restore_enabled.unwrap_or_default())
    }

    /// The folder that images are unpacked into: the engine's own, or that of the containerd which keeps them for it.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn image_folder(&self) -> Result<PathBuf, DockerError> {
        let info = self.bounded(self.docker.info()).await?;
        let root = PathBuf::from(info.docker_root_dir.unwrap_or_default());
        let told = info.driver_status.unwrap_or_default();
        let containerd = told.iter().flatten().any(|word| word == "io.containerd.snapshotter.v1");
        // One that the engine started itself keeps them below the engine's folder.
        let apart = containerd && !root.join("containerd/daemon").exists();
        let system = Path::new(CONTAINERD);
        Ok(if apart && system.exists() { system.to_owned() } else { root })
    }

    /// True where it runs on this machine, so that its folders are folders here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.starts_with("unix://")
    }

    /// One container, by id or name.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] where there is none.
    pub async fn container(&self, id: &str) -> Result<Container, DockerError> {
        self.bounded(self.docker.inspect_container(id, None)).await.map(Container::from_inspect)
    }

    /// Every container, running or not, that compose made for a service (one-off runs left out), oldest number first.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn service_containers(&self, project: &str, service: &str) -> Result<Vec<Container>, DockerError> {
        let labels = vec![
            format!("com.docker.compose.project={project}"),
            format!("com.docker.compose.service={service}"),
            "com.docker.compose.oneoff=False".to_owned(),
        ];
        let mut found = self.inspected(HashMap::from([("label".to_owned(), labels)])).await?;
        found.sort_by_key(|container| (container.number(), container.id.clone()));
        Ok(found)
    }

    /// Every running container, as far as one call for all of them tells.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn running_containers(&self) -> Result<Vec<Listed>, DockerError> {
        let listed = self.bounded(self.docker.list_containers(None)).await?;
        Ok(listed.into_iter().map(Listed::from_summary).collect())
    }

    /// The running container that a folder of the host is mounted into.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn with_mount(&self, folder: &Path, running: &[Listed]) -> Result<Option<Container>, DockerError> {
        let (certain, others): (Vec<_>, Vec<_>) = running
            .iter()
            .filter(|listed| listed.mounts(folder) != Some(false))
            .partition(|it| it.mounts(folder).is_some());
        for listed in certain.into_iter().chain(others) {
            match self.container(&listed.id).await {
                Ok(container) if container.mounts(folder) => return Ok(Some(container)),
                // It ended since it was listed.
                Ok(_) | Err(DockerError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    async fn inspected(&self, filters: HashMap<String, Vec<String>>) -> Result<Vec<Container>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.bounded(self.docker.list_containers(Some(options))).await?;
        let mut found = Vec::with_capacity(listed.len());
        for id in listed.into_iter().filter_map(|summary| summary.id) {
            match self.container(&id).await {
                Ok(container) => found.push(container),
                // Removed between the two calls.
                Err(DockerError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// Starts a container; one that runs already is fine.
    ///
    /// # Errors
    /// [`DockerError::Refused`] with the engine's words, for example of a command that does not exist.
    pub async fn start(&self, id: &str) -> Result<(), DockerError> {
        self.bounded(self.docker.start_container(id, None)).await
    }

    /// Stops a container with its own stop signal and its own grace period; one that is stopped or gone is fine.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn stop(&self, id: &str, grace: Duration) -> Result<(), DockerError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        let call = self.docker.stop_container(id, Some(options));
        match self.within(grace + CALL, call).await {
            Err(DockerError::NotFound(_)) => Ok(()),
            other => other,
        }
    }

    /// Removes a container and its anonymous volumes, killing it where it runs; one that is gone is fine.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn remove(&self, id: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match self.bounded(self.docker.remove_container(id, Some(options))).await {
            Err(DockerError::NotFound(_)) => Ok(()),
            // "removal of container … is already in progress"
            Err(DockerError::Refused { status: 409, .. }) => Ok(()),
            other => other,
        }
    }

    /// Container events from a time on (seconds since 1970). Ends with an error when the engine goes away.
    pub fn events(&self, since: i64) -> impl Stream<Item = Result<ContainerEvent, DockerError>> + use<> {
        let filters = HashMap::from([("type".to_owned(), vec!["container".to_owned(), "network".to_owned()])]);
        let host = self.host.clone();
        self.docker.events(Some(EventsOptionsBuilder::new().since(&since.to_string()).filters(&filters).build())).map(
            move |event| {
                let event = event.map_err(|error| DockerError::from_bollard(&host, error))?;
                let actor = event.actor.unwrap_or_default();
                let attributes = actor.attributes.unwrap_or_default();
                Ok(ContainerEvent {
                    action: event.action.unwrap_or_default(),
                    // A network's event names the container among its attributes; those of a container are its labels.
                    id: attributes
                        .get("container")
                        .filter(|_| event.typ == Some(EventMessageTypeEnum::NETWORK))
                        .cloned()
                        .or(actor.id)
                        .unwrap_or_default(),
                    project: attributes.get("com.docker.compose.project").cloned(),
                    service: attributes.get("com.docker.compose.service").cloned(),
                })
            },
        )
    }

    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        self.within(CALL, call).await
    }

    async fn within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, DockerError> {
        match tokio::time::timeout(limit, call).await {
            Ok(result) => result.map_err(|error| DockerError::from_bollard(&self.host, error)),
            Err(_) => Err(DockerError::Unavailable {
                host: self.host.clone(),
                why: format!("no answer within {} s", limit.as_secs()),
            }),
        }
    }
}
