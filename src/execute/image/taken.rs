//! A tag that another run pushed meanwhile, in a repository that lets no tag be given to another image.

use super::ImageJob;
use crate::clients::docker::DockerError;
use crate::domain::{Digest, Reason};
use crate::execute::Emitter;
use crate::failure::Failure;

/// Amazon ECR's sentence, which the engine hands on, ends in `because the tag is immutable`; Harbor's in `configured as
/// immutable`.
pub(super) fn is_said(error: &str) -> bool {
    ["tag is immutable", "configured as immutable"].iter().any(|words| error.contains(words))
}

/// The same image under the tag is as good as ours; another is never deployed in its place. `other` is what is there: its
/// digest, and that of its description.
pub(super) fn settle(
    job: &ImageJob<'_>,
    tag: &str,
    image_id: &str,
    (digest, id): (Digest, String),
    error: DockerError,
    events: &mut Emitter,
) -> Result<Digest, Failure> {
    let host = job.repository.registry();
    if id == image_id || digest.to_string() == image_id {
        events.note(format!(
            "the registry `{host}` has this very image already, and lets no tag be given to another one"
        ));
        return Ok(digest);
    }
    let message =
        format!("the registry `{host}` has another image as `{tag}`, and lets no tag be given to another one");
    Err(Failure::new(Reason::RegistryFailed, message)
        .because(error)
        .hint("another run pushed this commit meanwhile: run the job again, and its image is deployed"))
}
