//! Answers a deployment that waits for somebody's word.

use crate::aws_api::codedeploy::is_failure;
use crate::aws_api::ecs::Service;
use crate::clients::aws::{Aws, AwsError, Trouble};
use crate::domain::{EcsName, Reason};
use crate::failure::Failure;
use crate::plan::ecs::CodeDeploy;

/// Lets the deployment of a cluster's service that waits go on, or with `go_on` false go back. Gives the sentence that says
/// which.
///
/// # Errors
/// None waits, or AWS does not take the answer.
pub async fn answer_at_aws(
    (cluster, service): (&EcsName, &EcsName),
    names: &CodeDeploy,
    go_on: bool,
    aws: &Aws,
) -> Result<String, Failure> {
    let found = aws.service(cluster, service).await.map_err(|error| error.to_failure())?.unwrap_or_default();
    let answered = match found.controller() {
        "CODE_DEPLOY" => of_code_deploy(names, go_on, aws).await,
        _ => of_ecs(&found, go_on, aws).await,
    };
    let id = answered.map_err(|error| error.to_failure())?.ok_or_else(|| {
        Failure::new(Reason::Blocked, format!("no deployment of `{service}` waits for anybody's word"))
            .hint("`deploy-action status <environment>` shows what is under way")
    })?;
    Ok(match go_on {
        true => format!("deployment `{id}` goes on"),
        false => format!("deployment `{id}` is stopped and goes back"),
    })
}

/// What was answered already is refused: where the answer to a first sending was lost, the second one finds it done.
fn second(error: AwsError, taken: bool) -> Result<(), AwsError> {
    let unsure = error.trouble == Trouble::Refused || error.may_have_worked();
    if unsure && taken { Ok(()) } else { Err(error) }
}

/// The deployment that waits for its traffic to be shifted.
async fn of_code_deploy(names: &CodeDeploy, go_on: bool, aws: &Aws) -> Result<Option<String>, AwsError> {
    for id in aws.active_deployments(&names.application, &names.group).await? {
        if aws.deployment(&id).await?.status == "Ready" {
            let answered = match go_on {
                true => aws.end_ready_wait(&id).await,
                false => aws.stop_deployment(&id, true).await,
            };
            if let Err(error) = answered {
                let status = aws.deployment(&id).await.map(|now| now.status).unwrap_or_default();
                let goes_on = !matches!(status.as_str(), "" | "Ready") && !is_failure(&status);
                second(error, if go_on { goes_on } else { status == "Stopped" })?;
            }
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// The deployment of ECS whose hook pauses it.
async fn of_ecs(service: &Service, go_on: bool, aws: &Aws) -> Result<Option<String>, AwsError> {
    let Some(arn) = &service.current_service_deployment else { return Ok(None) };
    let Some(seen) = aws.service_deployment(arn).await? else { return Ok(None) };
    let Some(hook) = seen.lifecycle_hook_details.iter().find(|hook| hook.status == "AWAITING_ACTION") else {
        return Ok(None);
    };
    if let Err(error) = aws.answer_hook(arn, &hook.hook_id, go_on).await {
        let now = aws.service_deployment(arn).await.ok().flatten();
        let mut hooks = now.iter().flat_map(|now| &now.lifecycle_hook_details);
        let answered = if go_on { "SUCCEEDED" } else { "FAILED" };
        second(error, hooks.any(|now| now.hook_id == hook.hook_id && now.status == answered))?;
    }
    Ok(arn.rsplit('/').next().map(str::to_owned))
}
