//! The agent: a long-running process on the host that swaps containers without dropping a request.

pub mod config;
pub mod compose;
pub mod proxy;
pub mod store;
