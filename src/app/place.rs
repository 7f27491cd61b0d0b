//! A connected environment: what can be asked of it and who carries a plan out, whatever kind it is.

use crate::agent_api::{Blocker, ServiceStatus, Wanted};
use crate::aws_api::codedeploy::Configuration;
use crate::aws_api::ecs::TaskDefinition;
use crate::clients::agent::AgentClient;
use crate::clients::aws::{Access, Aws, AwsError, WebIdentity};
use crate::config::{AutoScaling, EcsTarget, VpsTarget};
use crate::domain::{AppName, Digest, EnvName, GitSha, HttpUrl, ImageRef, Repository};
use crate::env::Env;
use crate::execute::{Emitter, Remote, release_scaling};
use crate::failure::Failure;
use crate::observe;
use crate::plan::ecs::{EcsObserved, Files, HeldScaling, ScalingHold};
use crate::plan::{self, Observed, Plan, PlanInput, Planned, Version, preview};

/// An environment that can be asked.
pub(super) struct Connected {
    pub(super) app: AppName,
    pub(super) name: EnvName,
    /// The commit that is deployed, where a run is about one.
    pub(super) commit: Option<GitSha>,
    pub(super) place: Place,
}

/// What is behind it.
pub(super) enum Place {
    /// An agent.
    Agent(Box<AgentPlace>),
    /// AWS.
    Ecs(Box<EcsPlace>),
}

/// A service behind an agent.
pub(super) struct AgentPlace {
    pub(super) target: VpsTarget,
    pub(super) client: AgentClient,
}

/// A service of Amazon ECS.
pub(super) struct EcsPlace {
    pub(super) target: EcsTarget,
    pub(super) aws: Aws,
    /// The files that the target names.
    pub(super) files: Files,
}

/// What a first look shows.
pub(super) struct Looked {
    /// What runs; absent where nothing does.
    pub(super) running: Option<Version>,
    /// The service's address for people, where it is known.
    pub(super) address: Option<HttpUrl>,
    /// All of it.
    pub(super) observed: Observed,
}

impl EcsPlace {
    /// With the credentials that are found, or those of a role.
    pub(super) async fn connect(
        target: EcsTarget,
        files: Files,
        identity: Option<WebIdentity>,
        env: &Env,
    ) -> Result<Self, Failure> {
        let access = Access {
            region: target.region.clone(),
            backoff: target.backoff,
            authorities: env.authorities.clone(),
            profile: env.aws_profile.clone(),
            identity,
        };
        Ok(Self { aws: Aws::connect(access).await?, target, files })
    }

    /// The service, and who holds its scaling, which is asked first: of a run that began in between nothing is set back.
    /// And a permission that is missing for it is known before anything is built or registered.
    async fn look(&self) -> Result<EcsObserved, Failure> {
        let scaling = self.scaling().await.map_err(|error| error.to_failure())?;
        Ok(EcsObserved { scaling, ..self.observe().await? })
    }

    pub(super) async fn observe(&self) -> Result<EcsObserved, Failure> {
        observe::ecs::observe(&self.aws, &self.target, self.files.clone()).await
    }

    /// The deployment configuration of CodeDeploy that a deployment would follow.
    pub(super) async fn configuration(&self, observed: &EcsObserved) -> Configuration {
        observe::ecs::configuration(&self.aws, &self.target, observed).await
    }

    /// What tasks would not start without and is not there; beside it, what could not be looked for.
    pub(super) async fn missing(&self, observed: &EcsObserved) -> Result<(Vec<Blocker>, Vec<String>), Failure> {
        observe::ecs::missing(&self.aws, &plan::ecs::needs(&self.target, observed)).await
    }

    /// Who holds the service's scaling, where runs may hold it.
    pub(super) async fn scaling(&self) -> Result<ScalingHold, AwsError> {
        let EcsTarget { cluster, service, auto_scaling, .. } = &self.target;
        if *auto_scaling == AutoScaling::Leave {
            return Ok(ScalingHold::Nobody);
        }
        let hold = match self.aws.scalable_target(cluster, service).await? {
            Some(scaled) if scaled.suspended.is_anything() => self.aws.scaling_hold(&scaled.arn).await?,
            // A run that holds it lets something stand still.
            _ => None,
        };
        Ok(hold.map_or(ScalingHold::Nobody, |hold| ScalingHold::Run(hold.key)))
    }

    /// What can be gone back to is among them.
    pub(super) async fn revisions(&self, observed: &EcsObserved) -> Result<Vec<TaskDefinition>, Failure> {
        observe::ecs::revisions(&self.aws, observed).await
    }
}

impl Connected {
    /// Who is asked, for a sentence.
    pub(super) fn asked(&self) -> String {
        match &self.place {
            Place::Agent(place) => format!("the agent at `{}`", place.client.url()),
            Place::Ecs(place) => format!("AWS in {}", place.target.region),
        }
    }

    /// Who carries a plan out.
    pub(super) fn remote(&self) -> Remote<'_> {
        match &self.place {
            Place::Agent(place) => Remote::Agent(&place.client),
            Place::Ecs(place) => Remote::Aws(&place.aws),
        }
    }

    /// The agent's part, where there is one.
    pub(super) fn agent(&self) -> Option<&AgentPlace> {
        match &self.place {
            Place::Agent(place) => Some(place),
            Place::Ecs(_) => None,
        }
    }

    /// A look before anything is known of the image.
    pub(super) async fn look(&self) -> Result<Looked, Failure> {
        match &self.place {
            Place::Agent(place) => {
                let status = place.observe(&self.app, None).await?;
                let (running, address) = (preview::running(&status), preview::address(&status));
                Ok(Looked { running, address, observed: Observed::Vps(place.target.clone(), Box::new(status)) })
            }
            Place::Ecs(place) => {
                let observed = place.look().await?;
                let running = plan::ecs::running(&place.target, &observed);
                let observed = Observed::Ecs(Box::new(place.target.clone()), Box::new(observed));
                Ok(Looked { running, address: None, observed })
            }
        }
    }

    /// Sets back what an earlier run left held, where the plan says so.
    pub(super) async fn set_back(&self, plan: &Plan, events: &mut Emitter) -> Result<(), Failure> {
        let (Place::Ecs(place), Some(HeldScaling { cluster, service, key })) = (&self.place, &plan.left_held) else {
            return Ok(());
        };
        release_scaling((cluster, service), key, &place.aws, events).await
    }

    /// What would be done. What was `seen` of AWS a moment ago is not looked at again; an agent is asked about what is
    /// wanted.
    pub(super) async fn plan(&self, want: &Wanted, seen: Option<Observed>) -> Result<Planned, Failure> {
        let observed = match &self.place {
            Place::Agent(place) => {
                Observed::Vps(place.target.clone(), Box::new(place.observe(&self.app, Some(want)).await?))
            }
            Place::Ecs(place) => {
                let mut observed = match seen {
                    Some(Observed::Ecs(_, seen)) => *seen,
                    Some(Observed::Vps(..)) | None => place.look().await?,
                };
                if *want == Wanted::Rollback {
                    observed.revisions = place.revisions(&observed).await?;
                }
                Observed::Ecs(Box::new(place.target.clone()), Box::new(observed))
            }
        };
        Ok(self.decide(want, observed).await)
    }

    /// What is in the way of any image of this repository, by what a look showed. While another deployment is under way that
    /// is not known: it may be over before the image is built.
    pub(super) async fn obstacles(
        &self,
        repository: &Repository,
        observed: Observed,
    ) -> Option<(Vec<Blocker>, Failure)> {
        if observed.is_in_motion() {
            return None;
        }
        // Its digest is not known before it is pushed.
        let image = ImageRef::new(repository.clone(), Digest::zero());
        let planned = self.decide(&Wanted::Image(image), observed).await;
        let failure = planned.executable().err()?;
        Some((planned.report.blockers, failure))
    }

    async fn decide(&self, want: &Wanted, observed: Observed) -> Planned {
        let mut input = PlanInput {
            app: self.app.clone(),
            environment: self.name.clone(),
            want: want.clone(),
            commit: self.commit.clone(),
            observed,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let planned = plan::build(&input);
        let (Place::Ecs(place), Observed::Ecs(_, observed)) = (&self.place, &mut input.observed) else {
            return planned;
        };
        // How the traffic would shift is asked for where it does.
        if planned.report.changed {
            observed.code_deploy.configuration = place.configuration(observed).await;
        }
        let unknown = observed.code_deploy.configuration == Configuration::Unknown;
        if unknown { planned } else { plan::build(&input) }
    }
}

impl AgentPlace {
    /// What is there.
    pub(super) async fn observe(&self, app: &AppName, want: Option<&Wanted>) -> Result<ServiceStatus, Failure> {
        observe::vps::observe(&self.client, app, &self.target.service, want).await
    }
}
