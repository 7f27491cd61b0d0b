//! Pushing an image by the engine.

use bollard::query_parameters::PushImageOptionsBuilder;
use futures_util::StreamExt;

use super::build::credentials;
use super::{DockerError, Engine, RegistryLogin};
use crate::domain::{Digest, Repository};

impl Engine {
    /// Pushes `repository:tag`; gives the digest that the engine says it has there. Cancel-safe: dropping the future ends
    /// the push. One attempt: the engine itself repeats uploads of layers only.
    ///
    /// # Errors
    /// [`DockerError::Refused`] with the engine's words, which tell the registry's.
    pub async fn push(
        &self,
        repository: &Repository,
        tag: &str,
        login: Option<&RegistryLogin>,
    ) -> Result<Option<Digest>, DockerError> {
        let options = PushImageOptionsBuilder::new().tag(tag).build();
        let credentials = login.map(|login| credentials(&repository.registry(), login));
        let mut progress = self.docker.push_image(repository.as_str(), Some(options), credentials);
        let mut digest = None;
        while let Some(step) = progress.next().await {
            let step = step.map_err(|error| DockerError::from_bollard(&self.host, error))?;
            // The last one is `<tag>: digest: sha256:… size: 528`.
            let said = step.status.as_deref().and_then(|text| text.split_once("digest: "));
            digest = said.and_then(|(_, rest)| rest.split(' ').next()?.parse().ok()).or(digest);
        }
        Ok(digest)
    }
}
