//! A double of the part of AWS that deployments touch: CodeDeploy, ECS with its own strategies, and what lies around
//! them. Its heart is a [`World`], which is pure and has a virtual clock; a [`Simulator`] serves one over HTTP.
//!
//! Time passes only when somebody polls, so that a test is over as fast as its client asks. What goes wrong is a list
//! of [`Fault`]s. Answers have the members of the service models and no others.

mod balancer;
mod clock;
mod codedeploy;
mod ecs;
mod fault;
mod gate;
mod iam;
mod ids;
mod input;
mod inspect;
mod logs;
pub mod names;
mod registry;
mod request;
mod scaling;
mod scenario;
mod secrets;
mod server;
mod sha256;
mod tokens;
mod world;

#[cfg(test)]
mod tests;

pub use codedeploy::Shift;
pub use fault::Fault;
pub use request::{AwsFault, Request, Service};
pub use scenario::{Breaker, IMAGE_DIGEST, Strategy};
pub use server::{Exchange, Simulator};
pub use world::{EPOCH, World};
