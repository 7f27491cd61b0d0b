//! Credentials that were searched for before the first call: whoever needs them first gets these, and only who needs others
//! later makes the search again. A search may run a program that asks somebody, or sign in anew.

use std::sync::{Mutex, PoisonError};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

/// What was found, and where the next ones come from.
#[derive(Debug)]
pub(super) struct Searched {
    first: Mutex<Option<Credentials>>,
    chain: SharedCredentialsProvider,
}

impl Searched {
    pub(super) const fn new(first: Credentials, chain: SharedCredentialsProvider) -> Self {
        Self { first: Mutex::new(Some(first)), chain }
    }
}

impl ProvideCredentials for Searched {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        match self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(first) => future::ProvideCredentials::ready(Ok(first)),
            None => self.chain.provide_credentials(),
        }
    }

    fn fallback_on_interrupt(&self) -> Option<Credentials> {
        self.chain.fallback_on_interrupt()
    }
}
