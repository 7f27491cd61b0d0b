//! A container as the engine describes it, reduced to what we read.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerSummary, HealthStatusEnum, MountPoint};

use super::network::{Kept, is_asked_for, kept};

/// A container.
#[derive(Debug, Clone, Default)]
pub struct Container {
    /// Full id.
    pub id: String,
    /// Name without the leading slash.
    pub name: String,
    /// Docker's state word: `created`, `running`, `restarting`, `exited`, `dead` …
    pub state: String,
    /// Docker's health word, where there is a health check: `starting`, `healthy`, `unhealthy`.
    pub health: Option<String>,
    /// True where a health check is configured, by image or by compose file.
    pub has_healthcheck: bool,
    /// Process id on the host while it runs.
    pub pid: Option<i64>,
    /// Exit code of its last end.
    pub exit_code: Option<i64>,
    /// True where the kernel ended it for lack of memory.
    pub oom_killed: bool,
    /// The engine's own error text.
    pub error: Option<String>,
    /// Start time, RFC 3339.
    pub started_at: Option<String>,
    /// How often the engine restarted it by itself.
    pub restarts: i64,
    /// The engine's id of its image.
    pub image_id: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Networks it is attached to, by name.
    pub networks: BTreeMap<String, Address>,
    /// The address that stays its own, where it was given one.
    pub kept: Option<Kept>,
    /// Docker's network mode.
    pub network_mode: String,
    /// The paths on the host of what is mounted into it.
    pub sources: Vec<String>,
    /// Time between stop signal and kill.
    pub stop_timeout: Duration,
}

/// What the engine's list tells of a container.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    /// Full id.
    pub id: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The paths on the host of what is mounted into it.
    sources: Vec<String>,
    /// True where it mounts something whose path the list does not tell: a volume's.
    more_sources: bool,
}

impl Listed {
    pub(super) fn from_summary(raw: ContainerSummary) -> Self {
        let mounts = raw.mounts.unwrap_or_default();
        let sources = sources(&mounts);
        Self {
            id: raw.id.unwrap_or_default(),
            labels: raw.labels.unwrap_or_default().into_iter().collect(),
            more_sources: sources.len() < mounts.len(),
            sources,
        }
    }

    /// Whether a folder of the host, or one that it is in, is mounted into it; `None` where the list does not tell.
    #[must_use]
    pub fn mounts(&self, folder: &Path) -> Option<bool> {
        let known = are_around(&self.sources, folder);
        (known || !self.more_sources).then_some(known)
    }
}

/// The paths on the host of mounts, where they are told.
fn sources(mounts: &[MountPoint]) -> Vec<String> {
    mounts.iter().filter_map(|mount| mount.source.clone().filter(|source| !source.is_empty())).collect()
}

fn are_around(sources: &[String], folder: &Path) -> bool {
    sources.iter().any(|source| folder.starts_with(source))
}

/// A container's place in one network.
#[derive(Debug, Clone, Default)]
pub struct Address {
    /// Network id.
    pub network_id: String,
    /// IPv4 or IPv6 addresses.
    pub addresses: Vec<IpAddr>,
    /// True where somebody said which one it has to be; known before its start only.
    pub asked_for: bool,
}

/// Docker's own default between SIGTERM and SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

impl Container {
    pub(super) fn from_inspect(raw: ContainerInspectResponse) -> Self {
        let state = raw.state.unwrap_or_default();
        let config = raw.config.unwrap_or_default();
        let health = state.health.and_then(|health| health.status).and_then(|status| match status {
            HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
            other => Some(other.to_string()),
        });
        let has_healthcheck = config.healthcheck.is_some_and(|check| {
            check.test.is_some_and(|test| !test.is_empty() && test.first().is_none_or(|word| word != "NONE"))
        });
        let networks = raw.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        Self {
            id: raw.id.unwrap_or_default(),
            name: raw.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            state: state.status.map(|status| status.to_string()).unwrap_or_default(),
            health,
            has_healthcheck,
            pid: state.pid.filter(|pid| *pid > 0),
            exit_code: state.exit_code,
            oom_killed: state.oom_killed.unwrap_or_default(),
            error: state.error.filter(|error| !error.is_empty()),
            started_at: state.started_at.filter(|at| !at.starts_with("0001-")),
            restarts: raw.restart_count.unwrap_or_default(),
            image_id: raw.image.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            kept: kept(&networks),
            networks: networks
                .into_iter()
                .map(|(name, endpoint)| {
                    let asked_for = is_asked_for(&endpoint);
                    let addresses = [endpoint.ip_address, endpoint.global_ipv6_address];
                    let addresses = addresses.into_iter().flatten().filter_map(|text| text.parse().ok()).collect();
                    (name, Address { network_id: endpoint.network_id.unwrap_or_default(), addresses, asked_for })
                })
                .collect(),
            network_mode: raw.host_config.and_then(|host| host.network_mode).unwrap_or_default(),
            sources: sources(&raw.mounts.unwrap_or_default()),
            stop_timeout: config
                .stop_timeout
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(STOP_TIMEOUT, Duration::from_secs),
        }
    }

    /// True while its process runs.
    #[must_use]
    pub fn running(&self) -> bool {
        self.state == "running"
    }

    /// True where its exit code is that of its last run.
    #[must_use]
    pub fn ended(&self) -> bool {
        matches!(self.state.as_str(), "exited" | "dead")
    }

    /// Whether a folder of the host, or one that it is in, is mounted into it.
    #[must_use]
    pub fn mounts(&self, folder: &Path) -> bool {
        are_around(&self.sources, folder)
    }

    /// First 12 digits of the id.
    #[must_use]
    pub fn short_id(&self) -> &str {
        self.id.get(..12).unwrap_or(&self.id)
    }

    /// A label's value.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }

    /// Compose's hash of the configuration that it made the container from; empty where it did not make it.
    #[must_use]
    pub fn config_hash(&self) -> &str {
        self.label("com.docker.compose.config-hash").unwrap_or_default()
    }

    /// Compose's number of the container; 0 where it has none.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.label("com.docker.compose.container-number").and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    /// Every address of it, in all networks.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.networks.values().flat_map(|network| network.addresses.iter().copied()).collect()
    }

    /// What a route calls it: the address that stays its own, or its name, which Docker resolves.
    #[must_use]
    pub fn server(&self) -> String {
        self.kept.as_ref().map_or_else(|| self.name.clone(), |kept| kept.address.to_string())
    }

    /// What its exit code usually means, for a sentence.
    #[must_use]
    pub fn exit_meaning(&self) -> Option<String> {
        if self.oom_killed {
            return Some("killed by the kernel: out of memory".to_owned());
        }
        self.exit_code.map(crate::domain::exit_meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volumes_path_is_not_in_the_list() {
        let folder = Path::new("/var/lib/docker/volumes/dynamic/_data");
        let mounts = |sources: &[Option<&str>]| {
            let mounts =
                sources.iter().map(|source| MountPoint { source: source.map(str::to_owned), ..MountPoint::default() });
            Listed::from_summary(ContainerSummary { mounts: Some(mounts.collect()), ..ContainerSummary::default() })
                .mounts(folder)
        };
        assert_eq!(mounts(&[]), Some(false));
        assert_eq!(mounts(&[Some("/srv")]), Some(false));
        assert_eq!(mounts(&[Some("/srv"), Some("/var/lib/docker/volumes")]), Some(true));
        assert_eq!(mounts(&[Some("/srv"), Some("")]), None, "an inspection tells");
        assert_eq!(mounts(&[None]), None);
    }
}
