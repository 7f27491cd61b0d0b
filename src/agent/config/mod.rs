//! `agent.yml`: what the agent may touch, and who may ask it to. Text in, valid values or every problem out.
//!
//! Must never read a file or look at the host: whether directories and services exist is asked elsewhere.

mod apps;
mod keys;
mod probe;
mod read;
#[cfg(test)]
mod tests;
mod value;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::{AppName, Repository, ServiceName};
pub use probe::{Probe, ProbeError};
pub use read::parse;

/// A valid `agent.yml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentConfig {
    /// Part of what a signature covers, so that a request to one agent is worthless at another.
    /// 1–63 of `a-z 0-9 - _ .`.
    pub agent_id: String,
    /// A loopback or private address. Default [`DEFAULT_LISTEN`].
    pub listen: SocketAddr,
    /// Where `/metrics` is served without a signature: a loopback or private address. Nowhere unless given.
    pub metrics_listen: Option<SocketAddr>,
    /// Prefix of every request path: empty, or `/…` without a trailing slash.
    pub base_path: String,
    /// Absolute. Default [`DEFAULT_STATE_DIR`].
    pub state_dir: PathBuf,
    /// At least one; ids and keys are unique.
    pub keys: Vec<Key>,
    /// Absent on a host that runs workers only.
    pub traefik: Option<TraefikConfig>,
    /// At least one; each has a compose project of its own.
    pub apps: BTreeMap<AppName, AppConfig>,
}

/// Where the agent listens unless told otherwise.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:9180";
/// Where the agent keeps its state unless told otherwise.
pub const DEFAULT_STATE_DIR: &str = "/var/lib/deploy-agent";
/// The compose file of an application unless told otherwise, relative to its directory.
pub const DEFAULT_FILE: &str = "compose.yaml";
/// How long a new version is watched after the proof unless told otherwise.
pub const DEFAULT_VERIFY_FOR: Duration = Duration::from_secs(10);
/// How long requests in flight may take to end unless told otherwise.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a new version may take to become healthy unless told otherwise.
pub const DEFAULT_GATE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an image may take to be fetched unless told otherwise.
pub const DEFAULT_PULL_TIMEOUT: Duration = Duration::from_secs(600);
/// How many releases keep their images on the host unless told otherwise.
pub const DEFAULT_KEEP_RELEASES: usize = 5;

/// The share of failed answers, in per cent, that a new version may give in its verify window unless told otherwise.
pub const DEFAULT_MAX_5XX: u8 = 10;

/// Someone who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// 1–63 of `a-z 0-9 - _ .`.
    pub id: String,
    /// The public key.
    pub ed25519: [u8; 32],
    /// The applications it may deploy: at least one, each of [`AgentConfig::apps`].
    pub apps: Vec<AppName>,
}

/// How the agent steers Traefik and asks it what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraefikConfig {
    /// The directory that Traefik's file provider watches. Absolute.
    pub dir: PathBuf,
    /// Base URL of Traefik's API without a trailing slash, for example `http://127.0.0.1:8080`.
    pub api: String,
    /// Where Traefik's metrics are: `metrics` of the file, else `/metrics` beside the API.
    pub metrics: String,
    /// Entry point name to the URL that reaches it from here, `scheme://host:port`. At least one.
    pub entrypoints: BTreeMap<String, String>,
}

/// A compose project that the agent manages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppConfig {
    /// The compose project's name. Default: the application's name.
    pub project: String,
    /// The project directory. Absolute.
    pub dir: PathBuf,
    /// The compose files, absolute, in order. Default: [`DEFAULT_FILE`] in `dir`.
    pub files: Vec<PathBuf>,
    /// The only repositories whose images are accepted. At least one.
    pub images: Vec<Repository>,
    /// The only services that may be deployed. At least one.
    pub services: BTreeMap<ServiceName, ServiceConfig>,
}

/// How one service is swapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceConfig {
    /// The agent's own health request. Without one, the container's health check is the gate.
    pub probe: Option<Probe>,
    /// The URL requested through Traefik to prove that the new version serves: `http(s)://host[:port]/path[?query]`.
    pub proof: Option<String>,
    /// How long a new version is watched after the proof; zero is allowed. Default [`DEFAULT_VERIFY_FOR`].
    pub verify_for: Duration,
    /// How long requests in flight may take to end; zero is allowed. Default [`DEFAULT_DRAIN_TIMEOUT`].
    pub drain_timeout: Duration,
    /// How long a new version may take to become healthy; more than zero. Default [`DEFAULT_GATE_TIMEOUT`].
    pub gate_timeout: Duration,
    /// The share of answers with status 500 or above, in per cent, that ends the verify window. Default
    /// [`DEFAULT_MAX_5XX`]; 100 switches it off.
    pub max_5xx: u8,
    /// How long an image may take to be fetched; more than zero. Default [`DEFAULT_PULL_TIMEOUT`].
    pub pull_timeout: Duration,
    /// How many releases keep their images on the host, the running one included; 2 or more. Default
    /// [`DEFAULT_KEEP_RELEASES`].
    pub keep_releases: usize,
    /// `before_deploy: allowed`: a deployment may name a command that runs in the new image before it.
    pub before_deploy: bool,
    /// `overlap: allowed`: two versions may share a read-write volume for the length of a swap.
    pub overlap: bool,
}

impl Default for ServiceConfig {
    fn default() -> Self {
        Self {
            probe: None,
            proof: None,
            verify_for: DEFAULT_VERIFY_FOR,
            drain_timeout: DEFAULT_DRAIN_TIMEOUT,
            gate_timeout: DEFAULT_GATE_TIMEOUT,
            max_5xx: DEFAULT_MAX_5XX,
            pull_timeout: DEFAULT_PULL_TIMEOUT,
            keep_releases: DEFAULT_KEEP_RELEASES,
            before_deploy: false,
            overlap: false,
        }
    }
}
