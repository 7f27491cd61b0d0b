//! The words of the product as types: each value that exists was checked when it was made.
//!
//! Must never import anything else of this crate.

mod digest;
mod image_ref;
mod names;
mod reason;
mod secret;
mod span;

pub use digest::{Digest, DigestError};
pub use image_ref::{ImageRef, ImageRefError, Repository};
pub use names::{AppName, DeploymentId, EnvName, IdempotencyKey, NameError, ServiceName};
pub use reason::Reason;
pub use secret::Secret;
pub use span::{SpanError, parse_span, show_span};
