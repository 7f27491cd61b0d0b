//! The image that the action deploys: one that a registry has, or one that is built from the checkout.

mod files;
mod login;
mod shop;

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::place::Connected;
use super::settings::{Settings, image_repository};
use super::task::Task;
use crate::clients::docker::{DEFAULT_HOST, DockerError, Engine, RegistryLogin};
use crate::clients::registry::{Credentials, Registry, is_for};
use crate::config::{NewRepository, Target};
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
use login::{credentials, hide};
use shop::Shop;

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
    /// The repository at Amazon ECR that is made first.
    make: Option<NewRepository>,
}

/// The image, and the login that a run got for it by itself.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) source: Source,
    pub(super) login: Option<RegistryLogin>,
}

/// Where the image would come from, without asking a registry.
pub(super) async fn origin(task: &Task, env: &Env) -> Result<Origin, Failure> {
    let Task { settings, inputs, commit, context, .. } = task;
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

/// Finds out which it is. Changes nothing. `redact` hides the logins that it comes by.
pub(super) async fn find(task: &Task, env: &Env, connected: &Connected, redact: &mut Redact) -> Result<Found, Failure> {
    let Task { settings, inputs, context, .. } = task;
    let image = said(settings)?;
    let (repository, tag) = match image {
        ImageInput::Digest(image) => {
            let login = match settings.target {
                // Who runs it fetches it, with a role of its own.
                Target::Ecs(_) => None,
                Target::Vps(_) => for_agent(task, env, connected, redact).await?,
            };
            return Ok(Found { source: Source::Known(image), login });
        }
        ImageInput::Tag(repository, tag) => (repository, Some(tag)),
        ImageInput::Repository(repository) => (repository, None),
    };
    let mut credentials = credentials(inputs, env, &repository, redact)?;
    let host = repository.registry();
    let has_login = matches!(credentials.of(&host), Ok(Some(_)));
    let makes = settings.ecr.as_ref().is_some_and(|ecr| ecr.create.is_some());
    let shop = if has_login && !makes { None } else { Shop::open(task, env, connected).await? };
    let login = match &shop {
        Some(shop) if !has_login => Some(shop.login().await?),
        _ => None,
    };
    if let Some(login) = &login {
        hide([login], redact);
        credentials = credentials.with(&host, login.clone());
    }
    let source = match tag {
        Some(tag) => {
            let digest = Registry::new(credentials).digest(&repository, &tag).await?;
            digest.map(|digest| Source::Known(ImageRef::new(repository.clone(), digest))).ok_or_else(|| {
                Failure::new(Reason::RegistryFailed, format!("`{repository}` has no tag `{tag}`"))
                    .hint("push it first; or name the repository alone, and the commit is built")
            })?
        }
        None => {
            let spec = spec(inputs, context, env).await?;
            of_commit(task, spec, repository, credentials, shop.as_ref(), redact).await?
        }
    };
    Ok(Found { source, login })
}

/// The login with which an agent pulls an image from Amazon ECR, where nobody gave one for it. It may need none: the host
/// may have the image already.
async fn for_agent(
    task: &Task,
    env: &Env,
    connected: &Connected,
    redact: &mut Redact,
) -> Result<Option<RegistryLogin>, Failure> {
    let Some(image) = task.settings.image.as_ref().map(image_repository) else { return Ok(None) };
    let inputs = &task.inputs;
    let given = inputs.registry_username.is_some() && inputs.registry.as_ref().is_none_or(|it| is_for(it, image));
    if given || task.only_looks() || env.pull_credential()?.is_some() {
        return Ok(None);
    }
    let asked = async {
        match Shop::open(task, env, connected).await? {
            Some(shop) => shop.login().await.map(Some),
            None => Ok(None),
        }
    };
    match asked.await {
        Ok(login) => {
            hide(&login, redact);
            Ok(login)
        }
        Err(failure) => {
            Out.text(&format!("note: the agent gets no login for the image's registry: {}\n", failure.message));
            Ok(None)
        }
    }
}

/// The commit's image: one that the registry has, or what it takes to build it.
async fn of_commit(
    task: &Task,
    spec: BuildSpec,
    repository: Repository,
    credentials: Credentials,
    shop: Option<&Shop<'_>>,
    redact: &Redact,
) -> Result<Source, Failure> {
    let Task { inputs, commit, context, .. } = task;
    let files = match inputs.build {
        BuildMode::Never => Files::NotUsed,
        BuildMode::Auto | BuildMode::Always => files::look(&context.workspace, &spec).await?,
    };
    let nonce = fresh_nonce().map_err(|error| Failure::new(Reason::Bug, "the image has no tag").because(error))?;
    let tag = build_tag(&commit.head, &spec, files.are_as_in_commit(), nonce);
    // Also of a changed checkout, whose tag nothing has: a login that is refused is told before the build.
    let has = match Registry::new(credentials.clone()).digest(&repository, &tag).await {
        Ok(has) => has,
        Err(failure) => {
            // A repository that is not there may look like one that may not be used.
            if let Some(shop) = shop {
                shop.check(None).await?;
            }
            return Err(failure);
        }
    };
    let replaced = has.is_some().then(|| tag.clone());
    let name = format!("{repository}:{tag}");
    let plan = plan(inputs.build, &repository, tag, has)?;
    if let ImagePlan::Reuse(image) | ImagePlan::Given(image) = plan {
        return Ok(Source::Known(image));
    }
    let make = match shop {
        Some(shop) => shop.check(replaced.as_deref()).await?,
        None => None,
    };
    Ok(Source::Wanted(Box::new(Wanted {
        labels: labels(commit, context, &spec, files.are_as_in_commit()),
        files,
        plan,
        spec,
        repository,
        credentials,
        redact: redact.clone(),
        name,
        make,
    })))
}

impl Wanted {
    /// Where it would come from.
    pub(super) fn origin(&self, commit: &Commit) -> Origin {
        Origin::build(commit.head.clone(), &self.spec, self.name.clone())
    }

    /// Where it is pushed to.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Builds it from the checkout and pushes it.
    pub(super) async fn make(
        &self,
        task: &Task,
        env: &Env,
        connected: &Connected,
        deadline: Instant,
        events: &mut Emitter,
        cancel: &Cancel,
    ) -> Result<ImageRef, Failure> {
        self.files.check(&task.commit)?;
        let engine = engine(env).map_err(|error| {
            Failure::new(Reason::DockerUnavailable, "the image was not built").kind(Kind::Build).because(error)
        })?;
        if let Some(note) = self.files.note() {
            events.note(note);
        }
        if let Some(new) = &self.make
            && let Some(shop) = Shop::open(task, env, connected).await?
        {
            shop.make(new, events).await?;
        }
        let job = ImageJob {
            plan: &self.plan,
            root: &task.context.workspace,
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
