//! Makes sure that the registry has the image which will be deployed, and tells by which digest.

mod explain;
mod locate;
mod retry;
mod taken;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use super::{Cancel, Emitter};
use crate::clients::docker::{Build, BuildContext, BuildFailed, DockerError, Engine, LARGEST};
use crate::clients::registry::{Credentials, Registry};
use crate::domain::{Digest, ImageRef, Reason, Redact, Repository, hex, one_line};
use crate::event::DeployEvent;
use crate::failure::{Failure, Kind};
use crate::plan::image::{BuildSpec, ImagePlan};
use crate::signing::fresh_nonce;

/// Longest line of a build that is passed on, in characters.
const LINE: usize = 1000;

/// What building and pushing need.
#[derive(Debug)]
pub struct ImageJob<'a> {
    /// Where the image comes from.
    pub plan: &'a ImagePlan,
    /// The root of the repository: problems are told by paths from there.
    pub root: &'a Path,
    /// How it is built, where it is.
    pub spec: &'a BuildSpec,
    /// Where it goes.
    pub repository: &'a Repository,
    /// Labels that a built image gets.
    pub labels: &'a BTreeMap<String, String>,
    /// For this registry and for those of base images.
    pub credentials: &'a Credentials,
    /// Keeps secrets out of what is told of the build.
    pub redact: &'a Redact,
    /// Builds and pushes.
    pub engine: &'a Engine,
    /// When waiting ends.
    pub deadline: Instant,
}

/// Gives the image by the digest that its registry told.
///
/// # Errors
/// Exit code 20: it was not built, not pushed, or the registry has another than was pushed. 40: cancelled.
/// 32: the deadline passed.
pub async fn run(job: &ImageJob<'_>, events: &mut Emitter, cancel: &Cancel) -> Result<ImageRef, Failure> {
    let (tag, cache) = match job.plan {
        ImagePlan::Reuse(image) | ImagePlan::Given(image) => return Ok(image.clone()),
        ImagePlan::Build { tag, cache } => (tag, *cache),
    };
    // Dropping the work hangs up on the engine, which then ends its part.
    tokio::select! {
        biased;
        () = cancel.first() => Err(Failure::new(Reason::Cancelled, "cancelled while the image was made; nothing was changed")),
        () = tokio::time::sleep_until(job.deadline) => {
            Err(Failure::new(Reason::TimedOut, "the time was over before the image was made; nothing was changed")
                .hint("raise `timeout`, or make the build faster"))
        }
        made = async {
            let image_id = build(job, tag, cache, events).await?;
            push(job, tag, &image_id, events).await
        } => made,
    }
}

async fn build(job: &ImageJob<'_>, tag: &str, cache: bool, events: &mut Emitter) -> Result<String, Failure> {
    let spec = job.spec;
    let version = job.engine.version().await.map_err(unavailable)?;
    if !version.builds() {
        let message = format!("the Docker Engine {} (API {}) is too old to build images", version.engine, version.api);
        return Err(Failure::new(Reason::DockerUnavailable, message)
            .kind(Kind::Build)
            .hint("use Docker Engine 20.10 or later"));
    }
    let (dir, dockerfile) = (job.root.join(&spec.context), spec.dockerfile.clone());
    let listed = tokio::task::spawn_blocking(move || {
        let context = BuildContext::list(&dir, &dockerfile, LARGEST)?;
        let text = context.dockerfile_text()?;
        Ok::<_, crate::clients::docker::ContextError>((context, text))
    });
    let (context, dockerfile) = match listed.await {
        Ok(Ok(listed)) => listed,
        Ok(Err(error)) => return Err(context_failure(error)),
        Err(error) => return Err(Failure::new(Reason::Bug, "listing the build context ended early").because(error)),
    };
    events.note(format!("the build context has {} files, {} KiB", context.files(), context.size().div_ceil(1024)));
    let file = spec.context.join(context.dockerfile());
    let file = file.strip_prefix(job.root).or_else(|_| file.strip_prefix(".")).unwrap_or(&file);
    let file = file.to_string_lossy().into_owned();
    // Any number of jobs may build on one engine.
    let nonce = fresh_nonce().map_err(|error| Failure::new(Reason::Bug, "the build has no session").because(error))?;
    let session = hex(&nonce);
    let build = Build {
        context,
        name: &format!("{}:{tag}", job.repository),
        target: spec.target.as_deref(),
        args: &spec.args,
        labels: job.labels,
        secrets: &spec.secrets,
        cache,
        logins: job.credentials.logins(),
        redact: job.redact,
        session: &session,
    };
    let built =
        job.engine.build(build, |text| events.tell(DeployEvent::BuildLine { text: one_line(&text, LINE) })).await;
    match built {
        Ok(image_id) => {
            events.tell(DeployEvent::Built { image_id: image_id.clone() });
            Ok(image_id)
        }
        Err(failed) => Err(build_failure(failed, &file, &dockerfile, events)),
    }
}

fn context_failure(error: crate::clients::docker::ContextError) -> Failure {
    use crate::clients::docker::ContextError::{Ignore, Io, NoDockerfile, Outside, TooBig};
    let hint = match &error {
        TooBig { .. } => "add what the image does not need to `.dockerignore`",
        NoDockerfile { .. } => "check out the repository before this step; `dockerfile` is relative to `context`",
        Outside(_) => "choose a `context` that holds the Dockerfile; `dockerfile` is relative to it",
        Ignore { .. } => "correct the pattern; write `\\` before a character that stands for itself",
        Io { .. } => "see that the file exists, may be read by this step and is not written meanwhile",
    };
    let because = std::error::Error::source(&error).map(ToString::to_string);
    let failure = Failure::new(Reason::BuildFailed, error.to_string()).hint(hint);
    match because {
        Some(because) if matches!(error, Io { .. }) => failure.because(because),
        _ => failure,
    }
}

fn unavailable(error: DockerError) -> Failure {
    Failure::new(Reason::DockerUnavailable, "the image was not built")
        .kind(Kind::Build)
        .because(error)
        .hint("see that the job may reach the Docker Engine (`DOCKER_HOST`), then run it again")
}

fn build_failure(failed: BuildFailed, file: &str, dockerfile: &str, events: &mut Emitter) -> Failure {
    if let Some(error) = failed.context {
        return context_failure(error);
    }
    let said = match &failed.error {
        DockerError::Unavailable { .. } => return unavailable(failed.error),
        DockerError::NotFound(message) | DockerError::Refused { message, .. } => one_line(message, LINE),
    };
    let line = locate::line(dockerfile, &said, failed.step.as_deref());
    events.tell(DeployEvent::Problem { file: file.to_owned(), line, message: said.clone() });
    let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
    let message = match &failed.step {
        Some(step) => format!("{place}: the step `{}` failed", one_line(step, 200)),
        None => format!("{place}: the image was not built"),
    };
    Failure::new(Reason::BuildFailed, message).because(said.clone()).hint(explain::hint(&said, &failed.last))
}

async fn push(job: &ImageJob<'_>, tag: &str, image_id: &str, events: &mut Emitter) -> Result<ImageRef, Failure> {
    let host = job.repository.registry();
    let login = job.credentials.of(&host)?;
    let registry = Registry::new(job.credentials.clone());
    let mut tries = retry::Tries::default();
    let said: Option<Digest> = loop {
        let error = match job.engine.push(job.repository, tag, login).await {
            Ok(digest) => break digest,
            Err(error) => error,
        };
        let text = error.to_string();
        if taken::is_said(&text)
            && let Some(other) = registry.image_id(job.repository, tag).await
        {
            break Some(taken::settle(job, tag, image_id, other, error, events)?);
        }
        let Some(pause) = tries.pause(&text) else {
            if retry::is_unexplained(&error) && registry.is_full(job.repository).await {
                return Err(retry::full(job.repository, error));
            }
            return Err(retry::failure(job.repository, login, error));
        };
        let pause = match registry.asks_to_wait(job.repository).await {
            Some(asked) => pause.max(asked.min(retry::LONGEST)),
            None => pause,
        };
        events.note(format!(
            "the registry did not take the image ({}); again in {} s",
            one_line(&text, 200),
            seconds(pause)
        ));
        tokio::time::sleep(pause).await;
    };
    let has = registry.digest(job.repository, tag).await?;
    let Some(digest) = has else {
        return Err(Failure::new(
            Reason::RegistryFailed,
            format!("the registry `{host}` took `{tag}` and does not have it"),
        )
        .hint("run the job again; a clean-up rule of the registry may have removed it"));
    };
    verify(&host, tag, said.as_ref(), &digest)?;
    let image = ImageRef::new(job.repository.clone(), digest);
    events.tell(DeployEvent::Pushed { image: image.clone() });
    Ok(image)
}

/// What the registry has is what was pushed. Without the engine's word it may as well be what another job pushed.
fn verify(host: &str, tag: &str, said: Option<&Digest>, has: &Digest) -> Result<(), Failure> {
    let (message, hint) = match said {
        Some(said) if said == has => return Ok(()),
        Some(said) => (
            format!("the registry `{host}` has `{tag}` as {has}, but {said} was pushed"),
            "another job may push the same tag: give the workflow a `concurrency` group, and run it again",
        ),
        None => (
            format!(
                "the Docker Engine does not say which digest it pushed as `{tag}`; the registry `{host}` has {has}"
            ),
            "update the Docker Engine of the job; or push the image before this step and give it as `image`, by digest",
        ),
    };
    Err(Failure::new(Reason::RegistryFailed, message).hint(hint))
}

fn seconds(pause: Duration) -> u64 {
    pause.as_secs().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_pushed_digest_is_taken() {
        let digest = |hex: &str| format!("sha256:{}", hex.repeat(32)).parse::<Digest>().unwrap();
        let (one, two) = (digest("11"), digest("22"));
        assert!(verify("r.example", "v1", Some(&one), &one).is_ok());
        let refused = |said| verify("r.example", "v1", said, &two).unwrap_err().to_string();
        assert!(refused(Some(&one)).ends_with(&format!("but {one} was pushed")));
        assert!(refused(None).starts_with("the Docker Engine does not say which digest it pushed"));
    }
}
