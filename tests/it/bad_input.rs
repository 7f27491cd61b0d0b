//! Bad input of every kind: the exact message, the exit code, and that nothing was changed before it.
//!
//! A message says where, why and what to do; the snapshots are read with that in mind.

mod agent_config;
mod blockers;
mod caller;
mod config;
mod requests;
mod start;
pub(crate) mod transcript;

pub(crate) use transcript::World;
