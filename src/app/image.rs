//! The image that the action deploys: one that a registry has, or one that is built from the checkout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::settings::Settings;
use crate::clients::checkout;
use crate::clients::docker::{BuildContext, DEFAULT_HOST, Engine, LARGEST, RegistryLogin};
use crate::clients::registry::{Credentials, Registry};
use crate::domain::{ImageRef, Reason, Redact, Repository, one_line};
use crate::env::{DOCKER_CONFIG, Env, HOME};
use crate::execute::image::{ImageJob, run};
use crate::execute::{Cancel, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::image::{BuildMode, BuildSpec, ImagePlan, changed_tag, plan, recipe_hash, tag};
use crate::plan::preview::Origin;
use crate::report::Out;
use crate::signing::fresh_nonce;
use crate::trigger::{Commit, GitHubContext, ImageInput, Inputs, login_masks};

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
    /// Files of the build context that are not as in the commit.
    changed: Vec<String>,
    /// Name and tag, for people.
    name: String,
}

/// The same without asking a registry.
pub(super) fn origin(settings: &Settings, inputs: &Inputs, commit: &Commit) -> Result<Origin, Failure> {
    Ok(match said(settings)? {
        ImageInput::Digest(image) => Origin::Given(image.to_string()),
        ImageInput::Tag(repository, tag) => Origin::Given(format!("{repository}:{tag}")),
        ImageInput::Repository(repository) => {
            let spec = spec(inputs);
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

fn spec(inputs: &Inputs) -> BuildSpec {
    BuildSpec {
        context: inputs.context.clone(),
        dockerfile: inputs.dockerfile.clone(),
        target: inputs.target.clone(),
        args: inputs.build_args.clone(),
        secrets: inputs.secrets.clone(),
        platform: String::new(),
    }
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
            let spec = spec(inputs);
            let credentials = credentials(inputs, env, &repository, redact)?;
            let changed = match inputs.build {
                // Nothing is taken from the checkout.
                BuildMode::Never => Vec::new(),
                BuildMode::Auto | BuildMode::Always => changed(&context.workspace, &spec).await?,
            };
            let tag = if changed.is_empty() {
                tag(&commit.head, &spec)
            } else {
                changed_tag(
                    &fresh_nonce().map_err(|error| Failure::new(Reason::Bug, "the image has no tag").because(error))?,
                )
            };
            // Also of a changed checkout, whose tag nothing has: a login that is refused is told before the build.
            let has = Registry::new(credentials.clone()).digest(&repository, &tag).await?;
            let name = format!("{repository}:{tag}");
            let plan = plan(inputs.build, &repository, tag, has)?;
            match plan {
                ImagePlan::Reuse(image) | ImagePlan::Given(image) => Ok(Source::Known(image)),
                ImagePlan::Build { .. } => Ok(Source::Wanted(Box::new(Wanted {
                    labels: labels(commit, context, &spec, changed.is_empty()),
                    changed,
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
        if let Some(checked_out) = checkout::head(&context.workspace).filter(|sha| *sha != commit.head) {
            return Err(Failure::new(
                Reason::BuildFailed,
                format!("the checkout is commit {checked_out}, not {} which is to be deployed", commit.head),
            )
            .hint(match commit.pull_request {
                // Without a `ref` the checkout of a pull request is a merge commit that nobody wrote.
                Some(_) => "give the checkout step `ref: ${{ github.event.pull_request.head.sha }}`",
                None => "check out the commit of the event, without a `ref` of another one",
            }));
        }
        let host = env.docker_host.as_deref().unwrap_or(DEFAULT_HOST);
        let engine = Engine::new(host).map_err(|error| {
            Failure::new(Reason::DockerUnavailable, "the image was not built").kind(Kind::Build).because(error)
        })?;
        if let Some(note) = note(&self.changed) {
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

/// The files of the build context that are not as in the commit; none where there is no checkout or no context, which the
/// build tells better.
async fn changed(workspace: &Path, spec: &BuildSpec) -> Result<Vec<String>, Failure> {
    let (root, dir, dockerfile) = (workspace.to_owned(), spec.context.clone(), spec.dockerfile.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let context = BuildContext::list(&dir, &dockerfile, LARGEST).ok()?;
        checkout::changed(&root, &context)
    });
    let looked = looked.await;
    looked
        .map(Option::unwrap_or_default)
        .map_err(|error| Failure::new(Reason::Bug, "looking at the checkout ended early").because(error))
}

/// What the log says of a checkout that somebody changed.
fn note(changed: &[String]) -> Option<String> {
    let shown: Vec<String> = changed.iter().take(5).map(|path| format!("`{}`", one_line(path, 200))).collect();
    let more = match changed.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!changed.is_empty()).then(|| {
        format!(
            "not as in the commit: {}{more}; the image gets a tag of its own and is not used again",
            shown.join(", ")
        )
    })
}

/// `org.opencontainers.image.*` as the OCI image specification's annotations.md has them, and what the tag was made of.
/// Without `created`: the configuration has it as a field, and a label with the time would change every build. An image
/// of a changed checkout is of no revision.
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

/// The docker config's logins, and above them the one that was given for this run.
fn credentials(
    inputs: &Inputs,
    env: &Env,
    repository: &Repository,
    redact: &mut Redact,
) -> Result<Credentials, Failure> {
    let in_home = || env.for_compose.get(HOME.name).map(|home| Path::new(home).join(".docker"));
    let folder = env.for_compose.get(DOCKER_CONFIG.name).map(PathBuf::from).or_else(in_home);
    let text = folder.and_then(|folder| fs::read_to_string(folder.join("config.json")).ok());
    let credentials = text.map(|text| Credentials::from_docker_config(&text)).transpose()?.unwrap_or_default();
    let logins = credentials.logins().values();
    let logins = logins.map(|login| (login.username.as_str(), login.password.expose().as_str()));
    Out.text(&login_masks(logins.clone()));
    logins.for_each(|(username, password)| redact.hide_login(username, password));
    let Some((username, password)) = inputs.registry_username.clone().zip(inputs.registry_password.clone()) else {
        return Ok(credentials);
    };
    let registry = inputs.registry.clone().unwrap_or_else(|| repository.registry());
    Ok(credentials.with(&registry, RegistryLogin { username, password }))
}

#[cfg(test)]
mod tests {
    use super::note;

    #[test]
    fn the_first_changed_files_are_named() {
        let files = |count| Vec::from_iter((1..=count).map(|number| format!("f{number}")));
        assert_eq!(note(&files(0)), None);
        let end = "; the image gets a tag of its own and is not used again";
        assert_eq!(note(&files(2)), Some(format!("not as in the commit: `f1`, `f2`{end}")));
        assert_eq!(
            note(&files(7)),
            Some(format!("not as in the commit: `f1`, `f2`, `f3`, `f4`, `f5` and 2 more{end}"))
        );
    }
}
