//! Finding service deployments and revisions and looking at them.

use serde_json::{Value, json};

use super::{revision, view};
use crate::aws::input::{page, put, text, texts};
use crate::aws::names;
use crate::aws::request::AwsFault;
use crate::aws::world::World;

pub(crate) fn list(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let cluster = crate::aws::ecs::cluster(world, input)?;
    let name = names::short(text(input, "service").unwrap_or_default());
    if world.ecs.service(&cluster, name).is_none() {
        return Err(AwsFault::new("ServiceNotFoundException", "Service not found."));
    }
    let statuses = texts(input, "status");
    let found = world.ecs.deployments.iter().rev().filter(|one| {
        one.cluster == cluster && one.service == name && (statuses.is_empty() || statuses.contains(&one.status))
    });
    let (shown, next) = page(found.map(view::brief).collect::<Vec<_>>(), input, 100);
    let mut answer = json!({"serviceDeployments": shown});
    put(&mut answer, "nextToken", next.map(Value::from));
    Ok(answer)
}

pub(crate) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let asked = texts(input, "serviceDeploymentArns");
    if asked.is_empty() || asked.len() > 20 {
        let message = "The number of service deployments must be between 1 and 20.";
        return Err(AwsFault::new("InvalidParameterException", message));
    }
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for arn in asked {
        match world.ecs.deployments.iter().find(|one| one.arn == arn) {
            Some(one) => shown.push(view::show(world, one)),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceDeployments": shown, "failures": failures}))
}

pub(crate) fn describe_revisions(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let (mut shown, mut failures) = (Vec::new(), Vec::new());
    for arn in texts(input, "serviceRevisionArns") {
        match revision(world, arn) {
            Some(found) => shown.push(view::show_revision(world, found)),
            None => failures.push(json!({"arn": arn, "reason": "MISSING"})),
        }
    }
    Ok(json!({"serviceRevisions": shown, "failures": failures}))
}
