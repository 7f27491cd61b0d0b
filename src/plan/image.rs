//! Which image a deployment runs: one that the registry has, or one to be built and what it is then called.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};

use crate::domain::{Digest, GitSha, ImageRef, Reason, Repository, Secret, hex};
use crate::failure::Failure;

/// What to build.
#[derive(Debug, Clone)]
pub struct BuildSpec {
    /// The folder that `COPY` reads from, relative to the root of the repository.
    pub context: PathBuf,
    /// The Dockerfile, relative to the context, for example `Dockerfile` or `docker/web.Dockerfile`.
    pub dockerfile: String,
    /// The stage to build; the last one where it is absent.
    pub target: Option<String>,
    /// Values for `ARG`. They end up in the image's history: nothing secret belongs here.
    pub args: BTreeMap<String, String>,
    /// Values for `RUN --mount=type=secret`, by id.
    pub secrets: BTreeMap<String, Secret<String>>,
    /// What the engine builds for, for example `linux/amd64`.
    pub platform: String,
}

/// When a commit is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuildMode {
    /// Unless the registry has an image of this commit.
    Auto,
    /// Even if the registry has one, and without the engine's cache: what a step fetches is fetched anew.
    Always,
    /// Never: the registry must have one.
    Never,
}

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePlan {
    /// The registry has this commit's image.
    Reuse(ImageRef),
    /// It is built and pushed.
    Build {
        /// The tag that it gets, see [`tag`].
        tag: String,
        /// Whether a step may be taken from what the engine remembers.
        cache: bool,
    },
    /// The caller named an image.
    Given(ImageRef),
}

/// Names what a build of a commit gives, so that a commit is built once: the commit, and eight digits over everything
/// else that decides what comes out (context, Dockerfile, target, arguments, platform).
///
/// Secrets are left out: a tag is public, and a short secret could be guessed from its hash.
#[must_use]
pub fn tag(commit: &GitSha, spec: &BuildSpec) -> String {
    format!("{commit}-{}", recipe_hash(spec))
}

/// Names a build of files that are not, or cannot be told to be, as in the commit: of no commit, and with 16 fresh random
/// bytes never the same twice.
fn changed_tag(nonce: [u8; 16]) -> String {
    format!("dirty-{}", hex(&nonce[..8]))
}

/// The tag of a build: the commit's where its files are `as_in_commit`, else one of its own.
#[must_use]
pub fn build_tag(commit: &GitSha, spec: &BuildSpec, as_in_commit: bool, nonce: [u8; 16]) -> String {
    if as_in_commit { tag(commit, spec) } else { changed_tag(nonce) }
}

/// The eight digits of [`tag`], also a label of the image.
#[must_use]
pub fn recipe_hash(spec: &BuildSpec) -> String {
    let mut recipe = Vec::new();
    // Each part with its length: `a` + `bc` is another recipe than `ab` + `c`.
    let mut part = |bytes: &[u8]| {
        recipe.extend_from_slice(&bytes.len().to_be_bytes());
        recipe.extend_from_slice(bytes);
    };
    // Apart: `web` with `docker/Dockerfile` copies other files than `web/docker` with `Dockerfile`.
    for path in [&spec.context, Path::new(&spec.dockerfile)] {
        part(inside(path).as_deref().unwrap_or(path).as_os_str().as_encoded_bytes());
    }
    part(spec.target.as_deref().unwrap_or_default().as_bytes());
    part(spec.platform.as_bytes());
    for (name, value) in &spec.args {
        part(name.as_bytes());
        part(value.as_bytes());
    }
    hex(&digest(&SHA256, &recipe).as_ref()[..4])
}

/// A relative path without `.` and `..`; `None` where it leads out of where it begins.
#[must_use]
pub fn inside(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => clean.pop().then_some(())?,
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// Decides between the registry's image of this tag, if it `has` one, and a build.
///
/// # Errors
/// Building is forbidden and there is no image.
pub fn plan(mode: BuildMode, repository: &Repository, tag: String, has: Option<Digest>) -> Result<ImagePlan, Failure> {
    match (mode, has) {
        (BuildMode::Auto | BuildMode::Never, Some(digest)) => {
            Ok(ImagePlan::Reuse(ImageRef::new(repository.clone(), digest)))
        }
        (BuildMode::Auto, None) | (BuildMode::Always, _) => {
            Ok(ImagePlan::Build { tag, cache: mode != BuildMode::Always })
        }
        (BuildMode::Never, None) => Err(Failure::new(
            Reason::BuildFailed,
            format!("`{repository}` has no image `{tag}` and `build` is `never`"),
        )
        .hint("let the job that builds push this commit first, or set `build` to `auto`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> BuildSpec {
        BuildSpec {
            context: PathBuf::from("."),
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            args: BTreeMap::new(),
            secrets: BTreeMap::new(),
            platform: "linux/amd64".to_owned(),
        }
    }

    #[test]
    fn the_tag_is_stable_and_tells_recipes_apart() {
        let commit: GitSha = "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit");
        let of = |change: fn(&mut BuildSpec)| {
            let mut spec = spec();
            change(&mut spec);
            tag(&commit, &spec)
        };
        let plain = of(|_| {});
        insta::assert_snapshot!(plain, @"0123456789abcdef0123456789abcdef01234567-3fc103b1");
        let others = [
            of(|spec| spec.dockerfile = "docker/Dockerfile".to_owned()),
            of(|spec| spec.context = PathBuf::from("docker")),
            of(|spec| {
                spec.context = PathBuf::from("web");
                spec.dockerfile = "docker/Dockerfile".to_owned();
            }),
            of(|spec| spec.context = PathBuf::from("web/docker")),
            of(|spec| spec.target = Some("web".to_owned())),
            of(|spec| spec.platform = "linux/arm64".to_owned()),
            of(|spec| drop(spec.args.insert("A".to_owned(), "BC".to_owned()))),
            of(|spec| drop(spec.args.insert("AB".to_owned(), "C".to_owned()))),
        ];
        let same = of(|spec| {
            spec.context = PathBuf::from("./web/..");
            spec.dockerfile = "./x/.././Dockerfile".to_owned();
        });
        assert_eq!(same, plain, "the same paths in other words");
        let different: std::collections::BTreeSet<&String> = others.iter().chain([&plain]).collect();
        assert_eq!(different.len(), others.len() + 1);
        assert_eq!(changed_tag([0xab; 16]), "dirty-abababababababab");
        let secret = of(|spec| drop(spec.secrets.insert("npm".to_owned(), Secret::new("x".to_owned()))));
        assert_eq!(secret, plain, "a secret leaves no trace in a tag");
    }

    #[test]
    fn a_commit_is_built_once_unless_told_otherwise() {
        let repository: Repository = "team/web".parse().expect("a repository");
        let digest: Digest = format!("sha256:{}", "ab".repeat(32)).parse().expect("a digest");
        let reuse = ImagePlan::Reuse(ImageRef::new(repository.clone(), digest.clone()));
        let build = |cache| ImagePlan::Build { tag: "t".to_owned(), cache };
        let decide = |mode, has| plan(mode, &repository, "t".to_owned(), has);
        assert_eq!(decide(BuildMode::Auto, Some(digest.clone())).ok(), Some(reuse.clone()));
        assert_eq!(decide(BuildMode::Never, Some(digest.clone())).ok(), Some(reuse));
        assert_eq!(decide(BuildMode::Always, Some(digest)).ok(), Some(build(false)));
        assert_eq!(decide(BuildMode::Auto, None).ok(), Some(build(true)));
        let failure = decide(BuildMode::Never, None).expect_err("nothing to deploy");
        assert_eq!((failure.kind.exit_code(), failure.reason), (20, Reason::BuildFailed));
    }
}
