//! What is true of a service right now: read from engine, compose and Traefik, never changed here.

mod blockers;
mod serving;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::compose::{ComposeError, ComposeService, Resolved, With};
use super::proxy::traefik::api::View;
use super::proxy::traefik::compile::Subject;
use super::proxy::traefik::labels;
use super::site::Site;
use super::store::{CompiledRoute, ServiceState};
use crate::agent_api::Blocker;
use crate::clients::docker::{Container, DockerError, Listed};
use crate::domain::ServiceName;

pub(in crate::agent) use blockers::gate;
pub use blockers::{blockers, may_route};
pub use serving::serving;
pub use status::{DRIFT, revision, status, wanted_replicas};
pub(in crate::agent) use status::{by_digest, override_unlisted};

/// Why the facts are not known.
#[derive(Debug, thiserror::Error)]
pub enum FactsError {
    /// The engine.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// Compose.
    #[error(transparent)]
    Compose(#[from] ComposeError),
    /// The compose files do not define the service.
    #[error("the compose files of project `{project}` define no service `{service}`; they define {known}")]
    NoService {
        /// Project.
        project: String,
        /// Service.
        service: ServiceName,
        /// The services there are.
        known: String,
    },
}

/// The facts.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Its containers, in any state, those on their way out left out.
    pub containers: Vec<Container>,
    /// What the compose files say, with the live override.
    pub resolved: Resolved,
    /// What they say of it.
    pub compose: ComposeService,
    /// Services that depend on it.
    pub dependents: Vec<String>,
    /// Compose's hash of that.
    pub hash: String,
    /// Traefik's view, where Traefik is configured.
    pub view: Option<View>,
    /// Why there is no view although Traefik is configured.
    pub view_error: Option<String>,
    /// Traefik's own container, where one mounts our folder.
    pub proxy: Option<Container>,
    /// Running containers of the same service in the same folder, but of another compose project.
    pub other_project: Option<String>,
    /// The route: adopted earlier, or as labels resolve now.
    pub route: Result<Option<CompiledRoute>, Vec<Blocker>>,
    /// The route that the compose file's labels ask for, where they are not those of the running containers.
    pub next: Option<Result<Option<CompiledRoute>, Vec<Blocker>>>,
    /// True where the running image has a health check of its own.
    pub image_healthcheck: bool,
}

impl Facts {
    /// Reads the facts of a service.
    ///
    /// # Errors
    /// [`FactsError`].
    pub async fn gather(site: &Site, service: &ServiceName, state: &ServiceState) -> Result<Self, FactsError> {
        let resolved = async {
            let resolved = site.compose.resolve(With::Live).await?;
            let Some(compose) = resolved.services.get(service.as_str()).cloned() else {
                let known: Vec<String> = resolved.services.into_keys().collect();
                let (project, service) = (site.compose.project().to_owned(), service.clone());
                return Err(FactsError::NoService { project, service, known: known.join(", ") });
            };
            let hash = site.compose.hash(&resolved, service).await?;
            Ok((resolved, compose, hash))
        };
        let (resolved, containers, everything, (view, view_error)) = tokio::join!(
            resolved,
            site.engine.service_containers(site.compose.project(), service.as_str()),
            site.engine.running_containers(),
            Self::view(site),
        );
        let (resolved, compose, hash) = resolved?;
        let dependents =
            resolved.services.iter().filter(|(_, other)| other.depends_on.iter().any(|name| name == service.as_str()));
        let dependents = dependents.map(|(name, _)| name.clone()).collect();
        let everything = everything?;
        let proxy = match &site.traefik {
            Some(traefik) => site.engine.with_mount(&traefik.config.dir, &everything).await?,
            None => None,
        };
        let other_project = everything.iter().find_map(|listed| another_project(site, service, listed));
        let containers: Vec<Container> = containers?
            .into_iter()
            .filter(|container| !state.retiring.iter().any(|old| old.id == container.id))
            .collect();
        let image_healthcheck = match containers.first() {
            Some(container) => site.engine.image(&container.image_id).await?.is_some_and(|image| image.has_healthcheck),
            None => false,
        };
        let route = match (&state.route, &view) {
            (Some(route), _) => Ok(Some(route.clone())),
            (None, Some(view)) => super::proxy::traefik::compile::compile(view, &subject(&containers)),
            (None, None) => Ok(None),
        };
        let wanted = routing_labels(&compose.labels);
        let changed = containers.iter().any(|c| c.running() && traefik_labels(c) != wanted);
        let next = view.as_ref().filter(|_| changed).map(|view| {
            let today = route.as_ref().ok().and_then(Option::as_ref);
            labels::route(&wanted, labels::Around { view, today })
        });
        Ok(Self {
            next,
            containers,
            resolved,
            compose,
            dependents,
            hash,
            view,
            view_error,
            proxy,
            other_project,
            route,
            image_healthcheck,
        })
    }

    async fn view(site: &Site) -> (Option<View>, Option<String>) {
        let Some(traefik) = &site.traefik else { return (None, None) };
        match traefik.api.view().await {
            Ok(view) => (Some(view), None),
            Err(error) => (None, Some(error.to_string())),
        }
    }

    /// The route that a deployment now leads to, where it changes.
    #[must_use]
    pub fn next_route(&self) -> Option<&CompiledRoute> {
        self.next.as_ref()?.as_ref().ok()?.as_ref()
    }

    /// Its running containers.
    pub fn running(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().filter(|container| container.running())
    }
}

/// The project of a container that is the same service of the same folder, in another project than agent.yml says.
fn another_project(site: &Site, service: &ServiceName, listed: &Listed) -> Option<String> {
    let label = |name: &str| listed.labels.get(&format!("com.docker.compose.{name}")).map_or("", String::as_str);
    let same = label("service") == service.as_str()
        && std::path::Path::new(label("project.working_dir")) == site.compose.dir();
    (same && label("project") != site.compose.project()).then(|| label("project").to_owned())
}

/// A service's containers as the route compiler looks at them.
#[must_use]
pub fn subject(containers: &[Container]) -> Subject {
    let running = containers.iter().filter(|container| container.running());
    let addresses: BTreeSet<IpAddr> = running.clone().flat_map(Container::addresses).collect();
    Subject { addresses, labels: running.map(traefik_labels).next().unwrap_or_default() }
}

/// A container's `traefik.*` labels.
#[must_use]
pub fn traefik_labels(container: &Container) -> BTreeMap<String, String> {
    routing_labels(&container.labels)
}

/// The labels that Traefik reads.
#[must_use]
pub fn routing_labels(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels
        .iter()
        .filter(|(name, _)| name.starts_with("traefik."))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Networks that two containers share and whose resolver knows container names: all but Docker's three built-in ones.
#[must_use]
pub fn shared_networks(one: &Container, other: &Container) -> Vec<String> {
    let named = |name: &str| !matches!(name, "bridge" | "host" | "none");
    one.networks.keys().filter(|name| named(name) && other.networks.contains_key(*name)).cloned().collect()
}
