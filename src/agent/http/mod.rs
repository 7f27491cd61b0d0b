//! The agent's door: bounded, signed, nothing before the signature is checked.

mod auth;
mod hush;
mod nonces;
mod routes;
mod seats;
mod server;

pub use auth::{Authenticator, Caller};
pub use nonces::Nonces;
pub use routes::{Routes, read_request};
pub use server::{Door, serve};
