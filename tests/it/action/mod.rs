//! The action as its users meet it: a real engine, registry and agent, GitHub's double.

mod build;
mod mistakes;
mod step;
mod user;
mod workflow;
