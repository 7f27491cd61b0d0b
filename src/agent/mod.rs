//! The agent: a long-running process on the host that swaps containers without dropping a request.

pub mod app;
pub mod compose;
pub mod config;
pub mod facts;
pub mod proxy;
pub mod site;
pub mod store;
pub mod swap;
