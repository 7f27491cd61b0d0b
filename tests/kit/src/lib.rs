//! Test bed, load generator and sample application of deploy-action. Not published.

pub mod act;
pub mod app;
pub mod bed;
pub mod demo;
pub mod github;
pub mod load;
pub mod runner;
pub mod scan;
