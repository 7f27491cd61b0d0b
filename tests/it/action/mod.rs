//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

mod bare;
mod canary;
mod inputs;
mod mistakes;
mod payloads;
mod step;
pub(crate) mod user;
mod workflow;
