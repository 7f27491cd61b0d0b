//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

pub(crate) mod agree;
pub(crate) mod bare;
mod build;
mod canary;
mod faults;
mod flow;
mod github;
mod inputs;
mod mistakes;
mod payloads;
mod site;
mod step;
mod templates;
pub(crate) mod user;
mod workflow;
