//! The load generator: HTTP/1.1 at a fixed rate from an open loop, every request accounted for.
//!
//! Request `i` is due at `start + i / rate`, whatever became of those before it, and its latency counts
//! from then: a server that stalls is not spared the requests it kept from being sent. Half are POST with
//! a body whose checksum has to come back, half GET; independently, half use a fresh connection and
//! half a kept one.
//!
//! Beside the plain requests a run can have shares of slow ones and of downloads, and connections that listen to
//! server-sent events.
//!
//! **Nothing is ever retried.** A proxy that closes kept connections under the next request fails requests
//! of every client that may not repeat a POST; a client that repeats them hides it. Only a
//! kept connection found closed *before* a byte was written is replaced, and that is counted.
//!
//! No more than `workers` connections are in use at once: docker-proxy of Engine 20.10 dies for good
//! when it runs out of descriptors, and it needs several for each connection.

mod answer;
mod config;
mod events;
mod failure;
mod ledger;
mod link;
mod outgoing;
mod pacer;
mod pool;
mod report;
mod running;
#[cfg(test)]
mod tests;
mod worker;

pub use config::{LoadConfig, Share};
pub use events::{EventStream, StreamEnd};
pub use report::{Bucket, FailureSample, Latency, Mix, NO_VERSION, PathCount, Report, Seen};
pub use running::{Alone, Load, Running};
