//! The image that the action deploys: one that a registry has, or one that is built from the checkout.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::time::Instant;

use super::settings::Settings;
use crate::clients::docker::{DEFAULT_HOST, Engine, RegistryLogin};
use crate::clients::registry::{Credentials, Registry};
use crate::domain::{GitSha, ImageRef, Reason, Repository};
use crate::env::{DOCKER_CONFIG, Env, HOME};
use crate::execute::image::{ImageJob, run};
use crate::execute::{Cancel, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::image::{BuildSpec, ImagePlan, plan, recipe_hash, tag};
use crate::plan::preview::Origin;
use crate::trigger::{Commit, GitHubContext, ImageInput, Inputs};

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

/// Finds out which it is. Reads only.
pub(super) async fn find(
    settings: &Settings,
    inputs: &Inputs,
    commit: &Commit,
    context: &GitHubContext,
    env: &Env,
) -> Result<Source, Failure> {
    match said(settings)? {
        ImageInput::Digest(image) => Ok(Source::Known(image)),
        ImageInput::Tag(repository, tag) => {
            let digest = Registry::new(credentials(inputs, env, &repository)?).digest(&repository, &tag).await?;
            digest.map(|digest| Source::Known(ImageRef::new(repository.clone(), digest))).ok_or_else(|| {
                Failure::new(Reason::RegistryFailed, format!("`{repository}` has no tag `{tag}`"))
                    .hint("push it first; or name the repository alone, and the commit is built")
            })
        }
        ImageInput::Repository(repository) => {
            let spec = spec(inputs);
            let credentials = credentials(inputs, env, &repository)?;
            let tag = tag(&commit.head, &spec);
            let has = Registry::new(credentials.clone()).digest(&repository, &tag).await?;
            let name = format!("{repository}:{tag}");
            let plan = plan(inputs.build, &repository, tag, has)?;
            match plan {
                ImagePlan::Reuse(image) | ImagePlan::Given(image) => Ok(Source::Known(image)),
                ImagePlan::Build { .. } => Ok(Source::Wanted(Box::new(Wanted {
                    labels: labels(commit, context, &spec),
                    plan,
                    spec,
                    repository,
                    credentials,
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
        if let Some(checked_out) = head(&context.workspace).filter(|sha| *sha != commit.head) {
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
        let job = ImageJob {
            plan: &self.plan,
            root: &context.workspace,
            spec: &self.spec,
            repository: &self.repository,
            labels: &self.labels,
            credentials: &self.credentials,
            engine: &engine,
            deadline,
        };
        run(&job, events, cancel).await
    }
}

/// `org.opencontainers.image.*` as the OCI image specification's annotations.md has them, and what the tag was made of.
fn labels(commit: &Commit, context: &GitHubContext, spec: &BuildSpec) -> BTreeMap<String, String> {
    let source = format!("{}/{}", context.server_url, context.repository);
    let labels = [
        ("org.opencontainers.image.revision", commit.head.to_string()),
        ("org.opencontainers.image.source", source),
        ("deploy-action.recipe", recipe_hash(spec)),
    ];
    labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The docker config's logins, and above them the one that was given for this run.
fn credentials(inputs: &Inputs, env: &Env, repository: &Repository) -> Result<Credentials, Failure> {
    let in_home = || env.for_compose.get(HOME.name).map(|home| Path::new(home).join(".docker"));
    let folder = env.for_compose.get(DOCKER_CONFIG.name).map(PathBuf::from).or_else(in_home);
    let text = folder.and_then(|folder| fs::read_to_string(folder.join("config.json")).ok());
    let credentials = text.map(|text| Credentials::from_docker_config(&text)).transpose()?.unwrap_or_default();
    let Some((username, password)) = inputs.registry_username.clone().zip(inputs.registry_password.clone()) else {
        return Ok(credentials);
    };
    let registry = inputs.registry.clone().unwrap_or_else(|| repository.registry());
    Ok(credentials.with(&registry, RegistryLogin { username, password }))
}

/// The commit that is checked out, where the folder tells: an archive has no `.git`.
fn head(workspace: &Path) -> Option<GitSha> {
    let git = workspace.join(".git");
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return head.trim().parse().ok() };
    if let Ok(loose) = fs::read_to_string(git.join(name)) {
        return loose.trim().parse().ok();
    }
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.split_once(' ').filter(|(_, at)| *at == name)?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_out_commit_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let git = folder.path().join(".git");
        let (first, second) = ("0a".repeat(20), "0b".repeat(20));
        assert_eq!(head(folder.path()), None);
        fs::create_dir_all(git.join("refs/heads")).expect("folders");
        fs::write(git.join("HEAD"), format!("{first}\n")).expect("writes");
        assert_eq!(head(folder.path()), first.parse().ok());
        fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("writes");
        assert_eq!(head(folder.path()), None);
        fs::write(git.join("packed-refs"), format!("# pack-refs\n{first} refs/heads/main\n")).expect("writes");
        assert_eq!(head(folder.path()), first.parse().ok());
        fs::write(git.join("refs/heads/main"), &second).expect("writes");
        assert_eq!(head(folder.path()), second.parse().ok());
    }
}
