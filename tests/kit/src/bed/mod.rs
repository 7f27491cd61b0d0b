//! A "VPS" on this machine, for tests and for the demo: engine, Traefik, registry, a compose project and an agent.
//!
//! Each [`Bed`] has a name of its own, which is in the name or label of everything it makes: any number of them run
//! side by side, each removes what it made when it is dropped, and [`sweep`] removes what a killed one left behind.
//!
//! Nothing here sleeps to let something happen: every wait asks until it is true, and ends with an error.

mod agent;
mod agent_config;
mod client;
mod compose;
mod engine;
mod error;
mod http;
mod images;
mod machine;
mod netns;
mod process;
mod project;
mod proxy;
mod registry;
mod run;
mod sweep;
mod token;
mod vps;
mod wait;
mod yaml;

pub use agent::Agent;
pub use agent_config::{AgentOptions, AgentService};
pub use compose::{ComposeFile, ComposeService};
pub use engine::{Engine, EngineOptions};
pub use error::{BedError, Result};
pub use http::{Answer, request};
pub use images::AppImage;
pub use machine::Machine;
pub(crate) use process::Process;
pub use project::{Container, Project};
pub use proxy::{Proxy, ProxyOptions};
pub use registry::Registry;
pub use run::{Output, run};
pub use sweep::{kept, remove, remove_images, remove_own, sweep};
pub use token::TokenServer;
pub use vps::{Bed, BedOptions};
pub use wait::{wait_for, wait_for_some};

/// The label on every container and network of a bed; its value is the bed's name.
pub const LABEL: &str = "deploy-action-bed";
