//! End-to-end tests: the real binary, Docker Engine, compose, registry and Traefik.
//!
//! Each test has a bed of its own and removes it. `script/test` prepares the machine; nothing here is skipped.

mod request;
mod stage;

mod action;
mod address;
mod apps;
mod bad_input;
mod before_deploy;
mod between;
mod client;
mod crash;
mod disk;
mod ecs;
mod engines;
mod failing;
mod hostile;
mod image;
mod labels;
mod lease;
mod metrics;
mod proof;
mod race;
mod retention;
mod runner;
mod secrets;
mod swap;
mod swaps;
mod unit;
mod verify;
