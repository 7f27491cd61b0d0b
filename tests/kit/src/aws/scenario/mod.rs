//! Setting a world up: each builder says one thing about it, so that a test reads like the situation it is about.

mod code_deploy;
mod defaults;
mod ecs;
mod surroundings;

use super::world::World;

pub use defaults::IMAGE_DIGEST;

/// The circuit breaker of a service that ECS deploys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaker {
    /// There is none.
    Off,
    /// It ends a deployment.
    Stop,
    /// It ends a deployment and goes back.
    Rollback,
}

/// A strategy that ECS runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// All of the traffic at once.
    BlueGreen,
    /// In equal steps.
    Linear,
    /// A part first, then the rest.
    Canary,
}

impl World {
    /// Changes something as if it had long been so: with time passing before the clock begins.
    fn long_ago(&mut self, change: impl FnOnce(&mut Self)) {
        let now = self.now;
        self.now = now - 86_400;
        change(self);
        super::clock::settle(self);
        self.now = now;
    }
}
