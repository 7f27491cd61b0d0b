//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

pub(crate) mod agree;
mod flow;
mod mistakes;
mod step;
pub(crate) mod user;
mod workflow;
