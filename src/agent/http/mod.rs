//! The agent's door: bounded, signed, nothing before the signature is checked.

mod auth;
mod nonces;
mod routes;
mod server;

pub use auth::{Authenticator, Caller};
pub use nonces::Nonces;
pub use server::{Door, serve};
