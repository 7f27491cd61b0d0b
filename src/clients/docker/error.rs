//! What can go wrong with the engine, as far as a caller can act on it.

use bollard::errors::Error;

/// A failed call of the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    /// The engine does not answer.
    #[error("the Docker Engine at {host} does not answer: {why}")]
    Unavailable {
        /// Its address.
        host: String,
        /// What happened.
        why: String,
    },
    /// No such container, image or network.
    #[error("{0}")]
    NotFound(String),
    /// The engine answered no.
    #[error("the Docker Engine refused: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
}

impl DockerError {
    pub(super) fn from_bollard(host: &str, error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code: 404, message } => Self::NotFound(message),
            Error::DockerResponseServerError { status_code, message } => Self::Refused { status: status_code, message },
            Error::DockerStreamError { error } => Self::Refused { status: 0, message: error },
            other => Self::unavailable(host, &other),
        }
    }

    /// With the whole chain of what happened.
    pub(super) fn unavailable(host: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::Unavailable { host: host.to_owned(), why: crate::failure::with_causes(error) }
    }
}
