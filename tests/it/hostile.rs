//! Text and bytes from outside, whoever sends them: harmless where they are shown, bounded in memory and time.

mod door;
mod files;
mod github;
mod host;
mod log;
mod network;
mod payload;
mod registry;
mod replies;
pub(crate) mod scripted;
mod watched;
