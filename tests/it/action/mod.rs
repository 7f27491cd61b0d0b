//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

pub(crate) mod agree;
mod faults;
mod flow;
mod github;
mod mistakes;
mod step;
mod templates;
pub(crate) mod user;
mod workflow;
