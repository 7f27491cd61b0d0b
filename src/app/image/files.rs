//! The files that an image is built from: where they are, and of which commit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clients::checkout::Checkout;
use crate::clients::docker::{BuildContext, ContextError, LARGEST};
use crate::domain::{GitSha, Reason, one_line};
use crate::failure::Failure;
use crate::plan::image::{BuildSpec, inside};
use crate::trigger::Commit;

/// What is known of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Nothing is built, or there is nothing to build from, which the build tells better.
    NotUsed,
    /// They were checked out from a commit, and these are not as in it.
    Of(GitSha, Vec<String>),
    /// Nobody can tell which commit they are of.
    Unknown,
}

impl Files {
    /// Whether an image of them may be called by the commit's name.
    pub(super) fn are_as_in_commit(&self) -> bool {
        match self {
            Self::NotUsed => true,
            Self::Of(_, changed) => changed.is_empty(),
            Self::Unknown => false,
        }
    }

    /// Refuses what was checked out from another commit.
    pub(super) fn check(&self, commit: &Commit) -> Result<(), Failure> {
        let Self::Of(checked_out, _) = self else { return Ok(()) };
        if *checked_out == commit.head {
            return Ok(());
        }
        let message = format!("the checkout is commit {checked_out}, not {} which is to be deployed", commit.head);
        Err(Failure::new(Reason::BuildFailed, message).hint(match commit.pull_request {
            // Without a `ref` the checkout of a pull request is a merge commit that nobody wrote.
            Some(_) => "give the checkout step `ref: ${{ github.event.pull_request.head.sha }}`",
            None => "check out the commit of the event, without a `ref` of another one",
        }))
    }

    /// What the log says where they are not as in the commit.
    pub(super) fn note(&self) -> Option<String> {
        let why = match self {
            Self::NotUsed => return None,
            Self::Of(_, changed) if changed.is_empty() => return None,
            Self::Of(_, changed) => {
                let shown: Vec<String> =
                    changed.iter().take(5).map(|path| format!("`{}`", one_line(path, 200))).collect();
                let more = match changed.len() - shown.len() {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("not as in the commit: {}{more}", shown.join(", "))
            }
            Self::Unknown => "cannot tell which commit the files are of (check out with `actions/checkout`, with git \
                              on the runner, and build a folder of that checkout)"
                .to_owned(),
        };
        Some(format!("{why}; the image gets a tag of its own and is not used again"))
    }
}

/// The build context, relative to the checkout and without `.` and `..`.
pub(super) fn folder(workspace: &Path, context: &Path) -> Result<PathBuf, Failure> {
    inside(context.strip_prefix(workspace).unwrap_or(context)).ok_or_else(|| outside("context", context))
}

fn outside(input: &str, path: &Path) -> Failure {
    let shown = one_line(&path.to_string_lossy(), 200);
    Failure::new(Reason::Usage, format!("`{shown}`, the input `{input}`, leads out of the checkout"))
        .hint("name a path in the checkout, without links that lead out of it; nothing else belongs to a commit")
}

/// Looks at the files.
pub(super) async fn look(workspace: &Path, spec: &BuildSpec) -> Result<Files, Failure> {
    let (workspace, context, dockerfile) = (workspace.to_owned(), spec.context.clone(), spec.dockerfile.clone());
    let looked = tokio::task::spawn_blocking(move || found(&workspace, &context, &dockerfile));
    looked.await.map_err(|error| Failure::new(Reason::Bug, "looking at the checkout ended early").because(error))?
}

fn found(workspace: &Path, context: &Path, dockerfile: &str) -> Result<Files, Failure> {
    let dir = workspace.join(context);
    for (input, path, given) in
        [("context", dir.clone(), context), ("dockerfile", dir.join(dockerfile), dockerfile.as_ref())]
    {
        let (Ok(path), Ok(top)) = (fs::canonicalize(path), fs::canonicalize(workspace)) else {
            return Ok(Files::NotUsed);
        };
        if !path.starts_with(top) {
            return Err(outside(input, given));
        }
    }
    let listed = match BuildContext::list(&dir, dockerfile, LARGEST) {
        Ok(listed) => listed,
        Err(ContextError::NoDockerfile { .. }) => return Ok(Files::NotUsed),
        Err(_) => return Ok(Files::Unknown),
    };
    let known = Checkout::around(&dir, workspace)
        .and_then(|checkout| Some(Files::Of(checkout.head()?, checkout.changed(&listed)?)));
    Ok(known.unwrap_or(Files::Unknown))
}

#[cfg(test)]
mod tests;
