//! Amazon ECR as the registry of an image: its login for this run, and the repository that is pushed to.

use std::ops::Deref;
use std::time::Duration;

use serde_json::json;

use crate::app::access;
use crate::app::place::{Connected, Place};
use crate::app::settings::image_repository;
use crate::app::task::Task;
use crate::clients::aws::{Access, Aws, AwsError, Trouble};
use crate::clients::docker::RegistryLogin;
use crate::config::NewRepository;
use crate::domain::{EcrRepository, Reason, Region, one_line};
use crate::env::Env;
use crate::execute::Emitter;
use crate::failure::Failure;
use crate::report::Out;

/// Pause before a call's second try, where the target says none.
const BACKOFF: Duration = Duration::from_secs(1);
/// Longest sentence of AWS's that is repeated, in characters.
const SHOWN: usize = 300;

/// The registry, with the repository that the run is about.
pub(super) struct Shop<'a> {
    aws: Reached<'a>,
    region: Region,
    /// Whose registry it is; absent where the address does not tell: then it is the caller's own.
    account: Option<String>,
    name: String,
    create: Option<NewRepository>,
}

/// The target's connection where it leads to the same region, or one of its own.
enum Reached<'a> {
    Shared(&'a Aws),
    Own(Box<Aws>),
}

impl Deref for Reached<'_> {
    type Target = Aws;

    fn deref(&self) -> &Aws {
        match self {
            Self::Shared(aws) => aws,
            Self::Own(aws) => aws,
        }
    }
}

impl<'a> Shop<'a> {
    /// `None` where the image is in another registry.
    pub(super) async fn open(task: &Task, env: &Env, connected: &'a Connected) -> Result<Option<Self>, Failure> {
        let (Some(region), Some(image)) = (task.settings.ecr_region(), &task.settings.image) else { return Ok(None) };
        let repository = image_repository(image);
        let (aws, backoff) = match &connected.place {
            Place::Ecs(place) => ((place.aws.region() == &region).then_some(&place.aws), place.target.backoff),
            Place::Agent(_) => (None, BACKOFF),
        };
        let aws = match aws {
            Some(aws) => Reached::Shared(aws),
            None => {
                let (authorities, identity) = (env.authorities.clone(), access::identity(task, env)?);
                let profile = env.aws_profile.clone();
                let access = Access { region: region.clone(), backoff, authorities, profile, identity };
                let host = repository.registry();
                let aws = Aws::connect(access).await.map_err(|mut failure| {
                    failure.message.push_str(&format!(", which the login at `{host}` comes from"));
                    failure
                })?;
                Reached::Own(Box::new(aws))
            }
        };
        let name = repository.as_str().split_once('/').map_or(repository.as_str(), |(_, name)| name).to_owned();
        let account = EcrRepository::of(repository).map(|found| found.account);
        let create = task.settings.ecr.as_ref().and_then(|ecr| ecr.create.clone());
        Ok(Some(Self { aws, region, account, name, create }))
    }

    /// The login of this run.
    pub(super) async fn login(&self) -> Result<RegistryLogin, Failure> {
        self.aws.registry_login().await.map_err(|error| refused(&error))
    }

    /// Looks whether the repository is there, before minutes go into a build; gives how it is made where it is not.
    /// `replaces`: the tag that is there and would be given to another image.
    pub(super) async fn check(&self, replaces: Option<&str>) -> Result<Option<NewRepository>, Failure> {
        let found = match self.aws.repository(self.account.as_deref(), &self.name).await {
            Ok(found) => found,
            // The push may work all the same; where it does not, this is the first thing to see.
            Err(error) if error.trouble == Trouble::Denied => {
                Out.text(&format!(
                    "note: it was not looked whether the repository `{}` exists: {}\n",
                    self.name,
                    one_line(&error.to_string(), SHOWN)
                ));
                return Ok(None);
            }
            Err(error) => return Err(refused(&error)),
        };
        match (found, &self.create, replaces) {
            (Some(state), _, Some(tag)) if state.immutable => Err(Failure::new(
                Reason::RegistryFailed,
                format!("the repository `{}` lets no tag be given to another image, and it has `{tag}`", self.name),
            )
            .hint("leave out `build: always`: the commit's image is there; or let the repository's tags be changed")),
            (Some(_), _, _) => Ok(None),
            (None, Some(new), _) => Ok(Some(new.clone())),
            (None, None, _) => Err(Failure::new(
                Reason::RegistryFailed,
                format!("Amazon ECR has no repository `{}` in {}{}", self.name, self.region, self.of_account()),
            )
            .hint("make it once, or set `image.ecr.create: true` in deploy.yml; or correct `image.repository`")),
        }
    }

    fn of_account(&self) -> String {
        self.account.as_ref().map(|account| format!(" of the account {account}")).unwrap_or_default()
    }

    /// Makes the repository.
    pub(super) async fn make(&self, new: &NewRepository, events: &mut Emitter) -> Result<(), Failure> {
        let account = self.account.as_deref();
        let make = async || self.aws.create_repository(account, &self.name, new.immutable_tags, new.scan_on_push).await;
        let made = match make().await {
            // It was missing a moment ago: what is there now is what was asked for.
            Err(error) if error.may_have_worked() => {
                match self.aws.repository(account, &self.name).await {
                    Ok(Some(_)) => Ok(true),
                    // Unless that look was stale.
                    Ok(None) => make().await.map(|_| true),
                    Err(_) => Err(error),
                }
            }
            answer => answer,
        };
        if !made.map_err(|error| refused(&error))? {
            return Ok(());
        }
        events.note(format!(
            "made the repository `{}` in Amazon ECR: a tag {}, images are {}scanned",
            self.name,
            if new.immutable_tags { "stays with its image" } else { "may be given to another image" },
            if new.scan_on_push { "" } else { "not " }
        ));
        if let Some(count) = new.keep_images {
            let policy = newest(count);
            events.note(match self.aws.put_lifecycle(account, &self.name, &policy).await {
                Ok(()) => format!("it keeps its newest {count} images"),
                Err(error) => format!(
                    "it keeps all images, because the rule could not be set ({error}): `aws ecr put-lifecycle-policy --repository-name {} --lifecycle-policy-text '{policy}'`",
                    self.name
                ),
            });
        }
        Ok(())
    }
}

/// The rule that lets a repository keep its newest images only (Amazon ECR user guide, lifecycle policies).
fn newest(count: u32) -> String {
    let rule = json!({"rules": [{
        "rulePriority": 1,
        "description": format!("keeps the newest {count} images"),
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }]});
    rule.to_string()
}

/// As of every call; a permission is that of the run's role, whatever the target.
fn refused(error: &AwsError) -> Failure {
    let failure = error.to_failure();
    match error.trouble {
        Trouble::Denied => failure.hint(format!(
            "grant `{}` to the role that the run uses, or give `registry-username` and `registry-password`",
            error.call
        )),
        _ => failure,
    }
}
