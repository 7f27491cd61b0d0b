//! The image that the action deploys: one that a registry has, or one that is built from the checkout.

mod files;
mod login;

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::settings::Settings;
use crate::clients::docker::{DEFAULT_HOST, DockerError, Engine};
use crate::clients::registry::{Credentials, Registry};
use crate::domain::{ImageRef, Reason, Redact, Repository, one_line};
use crate::env::Env;
use crate::execute::image::{ImageJob, run};
use crate::execute::{Cancel, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::image::{BuildMode, BuildSpec, ImagePlan, build_tag, plan, recipe_hash, tag};
use crate::plan::preview::Origin;
use crate::report::Out;
use crate::signing::fresh_nonce;
use crate::trigger::{Commit, GitHubContext, ImageInput, Inputs};
use files::Files;
use login::credentials;

/// The platform of a tag where no engine tells one: a plan needs none to be there.
const USUAL_PLATFORM: &str = "linux/amd64";
/// Longest reason that is printed, in characters.
const SHOWN: usize = 200;

/// What is known of the image before anything is built.
#[derive(Debug)]
pub(super) enum Source {
    /// A registry has it.
    Known(ImageRef),
    /// It has to be built.
    Wanted(Box<Wanted>),
}

/// An image that does not exist yet.
#[derive(Debug)]
pub(super) struct Wanted {
    plan: ImagePlan,
    spec: BuildSpec,
    repository: Repository,
    labels: BTreeMap<String, String>,
    credentials: Credentials,
    redact: Redact,
    files: Files,
    /// Name and tag, for people.
    name: String,
}

/// The same without asking a registry.
pub(super) async fn origin(
    settings: &Settings,
    inputs: &Inputs,
    commit: &Commit,
    context: &GitHubContext,
    env: &Env,
) -> Result<Origin, Failure> {
    Ok(match said(settings)? {
        ImageInput::Digest(image) => Origin::Given(image.to_string()),
        ImageInput::Tag(repository, tag) => Origin::Given(format!("{repository}:{tag}")),
        ImageInput::Repository(repository) => {
            let spec = spec(inputs, context, env).await?;
            let name = format!("{repository}:{}", tag(&commit.head, &spec));
            Origin::build(commit.head.clone(), &spec, name)
        }
    })
}

fn said(settings: &Settings) -> Result<ImageInput, Failure> {
    settings.image.clone().ok_or_else(|| {
        Failure::new(Reason::Usage, "neither the input `image` nor `image.repository` of deploy.yml is set")
            .hint("name the repository that the image is pushed to, for example `image: ghcr.io/acme/web`")
    })
}

/// Who is asked for it, to be named in a sentence.
pub(super) fn registry(settings: &Settings) -> String {
    match &settings.image {
        Some(ImageInput::Tag(repository, _) | ImageInput::Repository(repository)) => {
            format!("the registry `{}`", repository.registry())
        }
        _ => "the registry".to_owned(),
    }
}

async fn spec(inputs: &Inputs, context: &GitHubContext, env: &Env) -> Result<BuildSpec, Failure> {
    Ok(BuildSpec {
        context: files::folder(&context.workspace, &inputs.context)?,
        dockerfile: inputs.dockerfile.clone(),
        target: inputs.target.clone(),
        args: inputs.build_args.clone(),
        secrets: inputs.secrets.clone(),
        platform: platform(env).await,
    })
}

fn engine(env: &Env) -> Result<Engine, DockerError> {
    Engine::new(env.docker_host.as_deref().unwrap_or(DEFAULT_HOST))
}

async fn platform(env: &Env) -> String {
    let told = match engine(env) {
        Ok(engine) => engine.version().await,
        Err(error) => Err(error),
    };
    told.map(|version| version.platform).unwrap_or_else(|error| {
        let why = one_line(&error.to_string(), SHOWN);
        Out.text(&format!("the image's tag is taken as that of {USUAL_PLATFORM}: {why}\n"));
        USUAL_PLATFORM.to_owned()
    })
}

/// Finds out which it is. Reads only. `redact` hides the logins that it comes by.
pub(super) async fn find(
    settings: &Settings,
    inputs: &Inputs,
    commit: &Commit,
    context: &GitHubContext,
    env: &Env,
    redact: &mut Redact,
) -> Result<Source, Failure> {
    match said(settings)? {
        ImageInput::Digest(image) => Ok(Source::Known(image)),
        ImageInput::Tag(repository, tag) => {
            let digest =
                Registry::new(credentials(inputs, env, &repository, redact)?).digest(&repository, &tag).await?;
            digest.map(|digest| Source::Known(ImageRef::new(repository.clone(), digest))).ok_or_else(|| {
                Failure::new(Reason::RegistryFailed, format!("`{repository}` has no tag `{tag}`"))
                    .hint("push it first; or name the repository alone, and the commit is built")
            })
        }
        ImageInput::Repository(repository) => {
            let spec = spec(inputs, context, env).await?;
            let credentials = credentials(inputs, env, &repository, redact)?;
            let files = match inputs.build {
                BuildMode::Never => Files::NotUsed,
                BuildMode::Auto | BuildMode::Always => files::look(&context.workspace, &spec).await?,
            };
            let nonce =
                fresh_nonce().map_err(|error| Failure::new(Reason::Bug, "the image has no tag").because(error))?;
            let tag = build_tag(&commit.head, &spec, files.are_as_in_commit(), nonce);
            // Also of a changed checkout, whose tag nothing has: a login that is refused is told before the build.
            let has = Registry::new(credentials.clone()).digest(&repository, &tag).await?;
            let name = format!("{repository}:{tag}");
            let plan = plan(inputs.build, &repository, tag, has)?;
            match plan {
                ImagePlan::Reuse(image) | ImagePlan::Given(image) => Ok(Source::Known(image)),
                ImagePlan::Build { .. } => Ok(Source::Wanted(Box::new(Wanted {
                    labels: labels(commit, context, &spec, files.are_as_in_commit()),
                    files,
                    plan,
                    spec,
                    repository,
                    credentials,
                    redact: redact.clone(),
                    name,
                }))),
            }
        }
    }
}

impl Wanted {
    /// Where it would come from.
    pub(super) fn origin(&self, commit: &Commit) -> Origin {
        Origin::build(commit.head.clone(), &self.spec, self.name.clone())
    }

    /// Builds it from the checkout and pushes it.
    pub(super) async fn make(
        &self,
        commit: &Commit,
        context: &GitHubContext,
        env: &Env,
        deadline: Instant,
        events: &mut Emitter,
        cancel: &Cancel,
    ) -> Result<ImageRef, Failure> {
        self.files.check(commit)?;
        let engine = engine(env).map_err(|error| {
            Failure::new(Reason::DockerUnavailable, "the image was not built").kind(Kind::Build).because(error)
        })?;
        if let Some(note) = self.files.note() {
            events.note(note);
        }
        let job = ImageJob {
            plan: &self.plan,
            root: &context.workspace,
            spec: &self.spec,
            repository: &self.repository,
            labels: &self.labels,
            credentials: &self.credentials,
            redact: &self.redact,
            engine: &engine,
            deadline,
        };
        run(&job, events, cancel).await
    }
}

/// `org.opencontainers.image.*` as the OCI image specification's annotations.md has them, and what the tag was made of.
/// Without `created`: the configuration has it as a field, and a label with the time would change every build. An image
/// of a checkout that was changed, or of which nothing is known, is of no revision.
fn labels(commit: &Commit, context: &GitHubContext, spec: &BuildSpec, unchanged: bool) -> BTreeMap<String, String> {
    let source = format!("{}/{}", context.server_url, context.repository);
    let mut labels =
        BTreeMap::from([("org.opencontainers.image.source", source), ("deploy-action.recipe", recipe_hash(spec))]);
    if unchanged {
        labels.insert("org.opencontainers.image.revision", commit.head.to_string());
    }
    if let Some(version) = &context.tag {
        labels.insert("org.opencontainers.image.version", version.clone());
    }
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
