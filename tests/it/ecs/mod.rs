//! Deployments to Amazon ECS by the real binary, against a double of AWS whose clock moves with each look.
//!
//! `poll_interval` and `retry_backoff` are a millisecond here, so hours at AWS are over in a moment.

mod action;
mod active;
mod approve;
mod before_deploy;
mod cancelled;
mod cloud;
mod code_deploy;
mod containers;
mod credentials;
mod emulator;
mod endpoints;
mod killed;
mod meanwhile;
mod moto;
mod needs;
mod no_op;
mod others;
mod own;
mod refused;
mod registry;
mod role;
mod rollback;
mod scaling;
mod sso;
mod variables;

pub(crate) use cloud::{Cloud, EXPIRES, Ended, IMAGE, OTHER_IMAGE, Scenario, each, interrupt, outline};
