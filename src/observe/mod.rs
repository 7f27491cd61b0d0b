//! Reads of what is there, one file per kind of target. Reads only; must never import `execute` or `report`.

pub mod ecs;
pub mod vps;
