//! Thin clients of the services around us, one file or folder each: they carry out and report, they decide nothing.

pub mod agent;
pub mod aws;
pub mod bounded;
pub mod checkout;
pub mod docker;
pub mod github;
pub mod registry;
