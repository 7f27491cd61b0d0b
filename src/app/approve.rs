//! The verb that answers a deployment which waits for somebody's word.

use super::load;
use super::place::Place;
use crate::cli::Files;
use crate::config::EcsTarget;
use crate::domain::{EnvName, Reason};
use crate::env::Env;
use crate::execute::answer_at_aws;
use crate::failure::Failure;
use crate::report::Out;

pub(super) async fn run(environment: &EnvName, go_on: bool, files: &Files, env: &Env) -> Result<(), Failure> {
    let connected = load::connect(environment, files, env).await?;
    let Place::Ecs(place) = &connected.place else {
        let message = format!("`{environment}` is behind an agent, whose deployments wait for nobody's word");
        return Err(Failure::new(Reason::Usage, message).hint("name an environment whose target is `ecs`"));
    };
    let EcsTarget { cluster, service, code_deploy, .. } = &place.target;
    let sentence = answer_at_aws((cluster, service), code_deploy, go_on, &place.aws).await?;
    Out.text(&format!("{environment}: {sentence}\n"));
    Ok(())
}
