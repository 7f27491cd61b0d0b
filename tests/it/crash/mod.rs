//! The worst day: the agent is killed, its files are damaged, the disk is full, the clock jumps, the engine dies. Afterwards
//! one version serves, nothing is left over, and the history tells what happened.
//!
//! [`matrix`] kills the agent at every record of its journal; `script/torture` runs the whole of it, a plain test run each
//! point once.

#[cfg_attr(not(feature = "torture"), expect(dead_code, reason = "some of it is for script/torture"))]
mod case;
mod client;
mod clock;
#[cfg_attr(not(feature = "torture"), expect(dead_code, reason = "some of it is for script/torture"))]
mod deaths;
mod disk;
#[cfg(feature = "torture")]
mod engine;
mod ground;
mod matrix;
mod tidy;
mod window;
