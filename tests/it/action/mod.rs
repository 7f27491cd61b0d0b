//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

mod faults;
mod github;
mod mistakes;
mod step;
mod templates;
pub(crate) mod user;
mod workflow;
