//! Test bed, load generator and sample application of deploy-action. Not published.

#[cfg(feature = "bed")]
pub mod act;
pub mod app;
#[cfg(feature = "bed")]
pub mod aws;
#[cfg(feature = "bed")]
pub mod bed;
#[cfg(feature = "bed")]
pub mod demo;
#[cfg(feature = "bed")]
pub mod github;
#[cfg(feature = "bed")]
mod head;
#[cfg(feature = "bed")]
pub mod load;
#[cfg(feature = "bed")]
pub mod runner;
#[cfg(feature = "bed")]
pub mod scan;
