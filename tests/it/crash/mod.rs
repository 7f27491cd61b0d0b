//! The worst day: the agent is killed, its files are damaged, the disk is full, the clock jumps, the engine dies. Afterwards
//! one version serves, nothing is left over, and the history tells what happened.
//!
//! [`matrix`] kills the agent at every record of its journal, [`engine`] the engine and the host in every phase;
//! `script/torture` runs the whole of it, a plain test run each point once and some of the phases.

mod case;
mod clock;
mod deaths;
mod disk;
mod engine;
mod ground;
mod late;
mod lost;
mod matrix;
mod replicas;
mod tidy;
mod versions;
mod window;
