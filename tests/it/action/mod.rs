//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

mod build;
mod faults;
mod github;
mod mistakes;
mod step;
mod templates;
mod user;
mod workflow;
