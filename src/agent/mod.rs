//! The agent: a long-running process on the host that swaps containers without dropping a request.

pub mod app;
pub mod away;
pub mod compose;
pub mod config;
pub mod doctor;
pub mod facts;
pub mod http;
pub mod metrics;
pub mod proxy;
pub mod serve;
pub mod site;
pub mod store;
pub mod swap;
pub mod watch;
