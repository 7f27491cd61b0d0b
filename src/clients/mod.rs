//! Thin clients of the services around us, one file or folder each.

pub mod docker;
