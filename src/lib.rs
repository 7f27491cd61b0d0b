//! Deploys a container image, proves that the new version serves, and goes back when it does not.
//!
//! The pure core (`trigger`, `config`, `plan`) decides; the shell (`observe`, `execute`, `agent`) acts.
//! `.github/ARCHITECTURE.md` has the map, `tests/architecture.rs` enforces who may import whom.

pub mod agent;
pub mod agent_api;
pub mod app;
pub mod aws_api;
pub mod cli;
pub mod clients;
pub mod config;
pub mod domain;
pub mod env;
pub mod event;
pub mod execute;
pub mod failure;
pub mod observe;
pub mod plan;
pub mod report;
pub mod signing;
pub mod trigger;
pub mod yaml;
