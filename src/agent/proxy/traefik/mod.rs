//! Traefik through its file provider, read back through its API.
//!
//! [`compile`] turns what labels resolved to into a route of ours, [`mod@file`] renders it, [`api`] reads Traefik's view.

pub mod api;
pub mod apply;
pub mod compile;
pub mod file;
pub mod http;
pub mod labels;
pub mod metrics;
pub mod prove;
pub mod rule;
pub mod stand_in;
