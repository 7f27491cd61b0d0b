//! Images: fetching, naming, looking at them.

use std::collections::{BTreeSet, HashMap};

use bollard::auth::DockerCredentials;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use futures_util::StreamExt;

use super::{DockerError, Engine};
use crate::domain::{Digest, ImageRef, Secret};

/// An image on the host.
#[derive(Debug, Clone)]
pub struct Image {
    /// The engine's id.
    pub id: String,
    /// Names by digest, `repository@sha256:…`.
    pub repo_digests: Vec<ImageRef>,
    /// Names by tag.
    pub repo_tags: Vec<String>,
    /// True where the image has a health check.
    pub has_healthcheck: bool,
    /// Its layers by the digest of what they hold, from the lowest up.
    pub layers: Vec<String>,
}

impl Image {
    /// True where one of its names carries this digest.
    #[must_use]
    pub fn has_digest(&self, digest: &Digest) -> bool {
        self.repo_digests.iter().any(|image| image.digest() == digest)
    }
}

/// User name and password for one registry.
#[derive(Debug, Clone)]
pub struct RegistryLogin {
    /// User name.
    pub username: String,
    /// Password or token.
    pub password: Secret<String>,
}

impl Engine {
    /// An image by any name or id; `None` where the host has none.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, DockerError> {
        match self.bounded(self.docker.inspect_image(name)).await {
            Ok(raw) => {
                let healthcheck = raw.config.and_then(|config| config.healthcheck).and_then(|check| check.test);
                Ok(Some(Image {
                    id: raw.id.unwrap_or_default(),
                    repo_digests: raw
                        .repo_digests
                        .unwrap_or_default()
                        .iter()
                        .filter_map(|name| name.parse().ok())
                        .collect(),
                    repo_tags: raw.repo_tags.unwrap_or_default(),
                    layers: raw.root_fs.and_then(|files| files.layers).unwrap_or_default(),
                    has_healthcheck: healthcheck
                        .is_some_and(|test| !test.is_empty() && test.first().is_none_or(|word| word != "NONE")),
                }))
            }
            Err(DockerError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Fetches an image by digest. Cancel-safe: dropping the future ends the engine's pull.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] where the registry has no such image, [`DockerError::Refused`] with the engine's words else.
    pub async fn pull(&self, image: &ImageRef, login: Option<&RegistryLogin>) -> Result<(), DockerError> {
        let name = image.to_string();
        let options = CreateImageOptionsBuilder::new().from_image(&name).build();
        let credentials = login.map(|login| DockerCredentials {
            username: Some(login.username.clone()),
            password: Some(login.password.expose().clone()),
            serveraddress: image.repository().normalized().split('/').next().map(str::to_owned),
            ..DockerCredentials::default()
        });
        let mut progress = self.docker.create_image(Some(options), None, credentials);
        while let Some(step) = progress.next().await {
            step.map_err(|error| DockerError::from_bollard(&self.host, error))?;
        }
        Ok(())
    }

    /// The tags that the host has of a repository.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, DockerError> {
        let filters = HashMap::from([("reference".to_owned(), vec![format!("{repository}:*")])]);
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        let images = self.bounded(self.docker.list_images(Some(options))).await?;
        let names = images.into_iter().flat_map(|image| image.repo_tags);
        Ok(names.filter_map(|name| Some(name.strip_prefix(repository)?.strip_prefix(':')?.to_owned())).collect())
    }

    /// The engine's ids of the images that containers were made from, whatever their state.
    ///
    /// # Errors
    /// [`DockerError`] as for every call.
    pub async fn images_in_use(&self) -> Result<BTreeSet<String>, DockerError> {
        let options = ListContainersOptionsBuilder::new().all(true).build();
        let listed = self.bounded(self.docker.list_containers(Some(options))).await?;
        Ok(listed.into_iter().filter_map(|container| container.image_id).collect())
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// [`DockerError::NotFound`] where the image does not exist.
    pub async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), DockerError> {
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag).build();
        self.bounded(self.docker.tag_image(image, Some(options))).await
    }

    /// Takes a name from an image, and the image away where it was the last one and nothing uses it.
    ///
    /// # Errors
    /// [`DockerError`] as for every call; a name that is gone is fine.
    pub async fn untag(&self, name: &str) -> Result<(), DockerError> {
        let options = RemoveImageOptionsBuilder::new().noprune(false).build();
        match self.bounded(self.docker.remove_image(name, Some(options), None)).await {
            Ok(_) | Err(DockerError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
