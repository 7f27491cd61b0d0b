//! What an image is made of, as its registry tells it before anything is fetched.

use std::io::Cursor;
use std::time::Duration;

use oci_client::{Reference, RegistryOperation};
use serde::Deserialize;

use super::{Door, Registry, reference};
use crate::domain::{Digest, ImageRef, Repository};

/// Longest time for all questions: whoever asks wants to fetch the image, not to wait.
const CALL: Duration = Duration::from_secs(5);
/// Largest description of an image that is read, in bytes.
const MAX_CONFIG: usize = 1024 * 1024;

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// How many bytes are fetched for it: most are compressed.
    pub size: u64,
    /// The digest of what it holds, by which the engine knows it; empty where the registry does not tell.
    pub content: String,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<String>,
}

impl Registry {
    /// The layers of an image for this machine's platform, from the lowest up. `None` where the registry does not tell: it
    /// is not reached in time, wants another login, or has no such image.
    pub async fn layers(&self, image: &ImageRef) -> Option<Vec<Layer>> {
        let repository = image.repository();
        let host = repository.registry();
        let auth = self.auth(&host).ok()?;
        let name = repository.normalized();
        let path = name.split_once('/').map_or(name.as_str(), |(_, path)| path).to_owned();
        let reference = Reference::with_digest(host.clone(), path, image.digest().to_string());
        let asked = async {
            let client = Door::of(&host).await.client();
            client.auth(&reference, &auth, RegistryOperation::Pull).await.ok()?;
            let (manifest, _) = client.pull_image_manifest(&reference, &auth).await.ok()?;
            let mut config = vec![0; usize::try_from(manifest.config.size).ok()?.min(MAX_CONFIG)];
            let whole = client.pull_blob(&reference, &manifest.config, Cursor::new(config.as_mut_slice())).await;
            let contents = whole.ok().and_then(|()| serde_json::from_slice::<Config>(&config).ok());
            let contents = contents.map(|config| config.rootfs.diff_ids).unwrap_or_default();
            let sized = manifest.layers.iter().enumerate().map(|(at, layer)| {
                let content = contents.get(at).cloned().unwrap_or_default();
                Some(Layer { size: u64::try_from(layer.size).ok()?, content })
            });
            sized.collect()
        };
        tokio::time::timeout(CALL, asked).await.ok()?
    }

    /// The digest under a tag, and that of the image's own description, by which engines know it. `None` where the registry
    /// does not tell.
    pub async fn image_id(&self, repository: &Repository, tag: &str) -> Option<(Digest, String)> {
        let host = repository.registry();
        let auth = self.auth(&host).ok()?;
        let reference = reference(repository, tag);
        let asked = async {
            let client = Door::of(&host).await.client();
            client.auth(&reference, &auth, RegistryOperation::Pull).await.ok()?;
            let (manifest, digest) = client.pull_image_manifest(&reference, &auth).await.ok()?;
            Some((digest.parse().ok()?, manifest.config.digest))
        };
        tokio::time::timeout(CALL, asked).await.ok()?
    }
}
