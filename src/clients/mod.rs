//! One thin client per service outside: it calls, bounds the call in time and size, and turns failures into sentences.
//!
//! Decides nothing about deployments. Must never import `plan`, `config` or `report`.

pub mod agent;
