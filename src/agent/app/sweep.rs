//! Images of releases that are no longer kept, and of deployments that made none, leave the host.
//!
//! Never one that a kept release has, that a container was made from, or that somebody gave another name; and never while
//! a deployment on this host may be about to make containers from what it has just fetched.

use std::collections::BTreeSet;

use super::App;

use crate::clients::docker::{DockerError, Engine};
use crate::domain::{ImageRef, ServiceName};

impl App {
    /// Removes what is no longer needed for a service, as far as that can be told now; the rest after its next deployment.
    pub(super) async fn sweep(&self, service: &ServiceName) {
        let Ok(_alone) = self.site.images.try_write() else { return };
        if let Err(error) = self.remove_old_images(service).await {
            tracing::warn!(app = %self.site.app, %service, %error, "images of old releases stay on the host");
        }
    }

    async fn remove_old_images(&self, service: &ServiceName) -> Result<(), DockerError> {
        let (state, mut names) = {
            let inner = self.inner.lock().await;
            (inner.state.service(service), inner.state.earlier_images(service))
        };
        let Some(current) = state.current() else { return Ok(()) };
        let engine = &self.site.engine;
        let (repository, _) = self.site.retained(service, current.number);
        for tag in engine.tags(&repository).await? {
            // A number that is not smaller is of a state that was lost, or is about to be used.
            let old = tag.parse::<u64>().is_ok_and(|number| {
                number < current.number && !state.releases.iter().any(|release| release.number == number)
            });
            if old {
                let name = format!("{repository}:{tag}");
                let image = engine.image(&name).await?;
                names.extend(image.iter().flat_map(|image| &image.repo_digests).map(ToString::to_string));
                remove(engine, &name).await?;
            }
        }
        let kept: BTreeSet<&str> = state.releases.iter().map(|release| release.image_id.as_str()).collect();
        let in_use = engine.images_in_use().await?;
        for name in names {
            let Some(image) = engine.image(&name).await? else { continue };
            if kept.contains(image.id.as_str()) || in_use.contains(&image.id) || !image.repo_tags.is_empty() {
                continue;
            }
            let allowed =
                |name: &&ImageRef| self.site.config.images.iter().any(|known| known.same_as(name.repository()));
            for digest in image.repo_digests.iter().filter(allowed) {
                remove(engine, &digest.to_string()).await?;
            }
        }
        Ok(())
    }
}

/// Takes a name away, and the image with its last one. One that a container needs after all stays.
async fn remove(engine: &Engine, name: &str) -> Result<(), DockerError> {
    match engine.untag(name).await {
        Err(DockerError::Refused { status: 409, .. }) => Ok(()),
        other => other,
    }
}
