//! Where the application's images live.

use crate::domain::{EcrRepository, Region, Repository};
use crate::yaml::{Cursor, Fields, Report};

/// Fewest images that a lifecycle rule may keep: what runs and what is gone back to must be among them.
const FEWEST: u32 = 10;
/// Most that a rule can count to (Amazon ECR, lifecycle policies, `countNumber`).
const MOST: u32 = 100_000;

/// `image` of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageConfig {
    /// Where the images are pushed and pulled.
    pub repository: Repository,
    /// What the file says of Amazon ECR; absent where it says nothing.
    pub ecr: Option<EcrConfig>,
}

/// A repository of Amazon ECR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcrConfig {
    /// The region, where the address does not tell it.
    pub region: Option<Region>,
    /// How the repository is made where there is none; absent where nothing is made.
    pub create: Option<NewRepository>,
}

/// A repository that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRepository {
    /// Whether a tag stays with its image for ever.
    pub immutable_tags: bool,
    /// Whether each image is scanned for known weaknesses once it is pushed.
    pub scan_on_push: bool,
    /// How many images stay, the newest ones; all where it is absent.
    pub keep_images: Option<u32>,
}

pub(super) fn read(entry: &Cursor<'_>, report: &mut Report) -> Option<ImageConfig> {
    let fields = entry.fields(&["repository", "ecr"], &["build"], report)?;
    let repository: Option<Repository> = fields.required("repository", report).and_then(|it| it.parse(report));
    let ecr = fields.optional("ecr").and_then(|it| ecr(it, repository.as_ref(), report));
    Some(ImageConfig { repository: repository?, ecr })
}

fn ecr(entry: &Cursor<'_>, repository: Option<&Repository>, report: &mut Report) -> Option<EcrConfig> {
    const OF_NEW: &[&str] = &["immutable_tags", "scan_on_push", "keep_images"];
    let fields = entry.fields(&[&["region", "create"], OF_NEW].concat(), &[], report)?;
    let region: Option<Region> = fields.optional("region").and_then(|it| it.parse(report));
    if let Some(repository) = repository {
        match (EcrRepository::of(repository), fields.optional("region"), &region) {
            (None, None, _) => {
                let host = repository.registry();
                let message = format!("`{host}` does not tell a region of AWS: is it a registry of Amazon ECR?");
                entry.key_problem(report, message, Some("name the region with `region`, or remove `ecr`"));
            }
            (Some(found), Some(it), Some(region)) if found.region != *region => {
                let message = format!("the repository's address says `{}`", found.region);
                it.problem(report, message, Some("remove `region`: the address tells it"));
            }
            _ => {}
        }
    }
    let create = flag(&fields, "create", report);
    let new = NewRepository {
        immutable_tags: flag(&fields, "immutable_tags", report).unwrap_or(true),
        scan_on_push: flag(&fields, "scan_on_push", report).unwrap_or(true),
        keep_images: fields.optional("keep_images").and_then(|it| it.parse_with(report, count)),
    };
    let none_is_made = fields.optional("create").is_none() || create == Some(false);
    if none_is_made && let Some(it) = OF_NEW.iter().find_map(|key| fields.optional(key)) {
        it.key_problem(
            report,
            "this is about a repository that is made, and `create` is not `true`",
            Some("set `create: true`, or remove it: what is there already is never changed"),
        );
    }
    Some(EcrConfig { region, create: (create == Some(true)).then_some(new) })
}

/// Absent where the file does not say it, or says neither.
fn flag(fields: &Fields<'_>, key: &str, report: &mut Report) -> Option<bool> {
    let read = |text: &str| text.parse().map_err(|_| "expected `true` or `false`");
    fields.optional(key).and_then(|it| it.parse_with(report, read))
}

fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count) if (FEWEST..=MOST).contains(&count) => Ok(count),
        _ => Err(format!("expected a number of images from {FEWEST} to {MOST}")),
    }
}
