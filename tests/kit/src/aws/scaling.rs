//! Application Auto Scaling: scalable targets and what of their scaling is suspended.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::input::{flag, text, texts};
use super::names;
use super::request::AwsFault;
use super::world::World;

/// The scalable targets.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scaling {
    targets: Vec<Value>,
    /// The tags of each target, by its whole name.
    tags: BTreeMap<String, BTreeMap<String, String>>,
}

/// The parts of scaling that may be suspended.
const PARTS: [&str; 3] = ["DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"];

impl Scaling {
    /// Lets a service scale between two numbers of tasks.
    pub(crate) fn add(&mut self, cluster: &str, service: &str, least: u64, most: u64, now: u64) {
        let role = "aws-service-role/ecs.application-autoscaling.amazonaws.com/\
                    AWSServiceRoleForApplicationAutoScaling_ECSService";
        let id = self.targets.len();
        let (region, account) = (names::REGION, names::ACCOUNT);
        let arn = format!("arn:aws:application-autoscaling:{region}:{account}:scalable-target/0ec5{id:026}");
        let suspended: Map<String, Value> = PARTS.iter().map(|part| ((*part).to_owned(), json!(false))).collect();
        self.targets.push(json!({
            "ServiceNamespace": "ecs",
            "ResourceId": format!("service/{cluster}/{service}"),
            "ScalableDimension": "ecs:service:DesiredCount",
            "MinCapacity": least,
            "MaxCapacity": most,
            "RoleARN": names::role(role),
            "CreationTime": now,
            "SuspendedState": suspended,
            "ScalableTargetARN": arn,
        }));
    }

    /// Whether a service is scaled and may grow now.
    pub(crate) fn may_grow(&self, cluster: &str, service: &str) -> bool {
        let id = format!("service/{cluster}/{service}");
        let target = self.targets.iter().find(|target| target["ResourceId"] == id);
        target.is_some_and(|target| target["SuspendedState"]["DynamicScalingOutSuspended"] != true)
    }

    /// The name of a service's target.
    pub(crate) fn arn(&self, cluster: &str, service: &str) -> Option<&str> {
        let id = format!("service/{cluster}/{service}");
        self.targets.iter().find(|target| target["ResourceId"] == id)?["ScalableTargetARN"].as_str()
    }

    /// The tags of a service's target.
    pub(crate) fn tags(&self, cluster: &str, service: &str) -> BTreeMap<String, String> {
        self.arn(cluster, service).and_then(|arn| self.tags.get(arn)).cloned().unwrap_or_default()
    }

    /// What of a service's scaling is suspended, as the API shows it.
    pub(crate) fn suspended(&self, cluster: &str, service: &str) -> Option<&Value> {
        let id = format!("service/{cluster}/{service}");
        let target = self.targets.iter().find(|target| target["ResourceId"] == id);
        target.map(|target| &target["SuspendedState"])
    }
}

/// Answers a call.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    if operation.to_lowercase().contains("tag") {
        return tags(world, operation, input);
    }
    if text(input, "ServiceNamespace").is_none() {
        return Err(AwsFault::new("ValidationException", "Value null at 'serviceNamespace' must not be null"));
    }
    match operation {
        "DescribeScalableTargets" => Ok(describe(world, input)),
        "RegisterScalableTarget" => register(world, input),
        _ => Err(AwsFault::unknown_operation()),
    }
}

/// The tags of a target: read, written, taken away.
fn tags(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    let arn = text(input, "ResourceARN").unwrap_or_default().to_owned();
    if !world.scaling.targets.iter().any(|target| target["ScalableTargetARN"] == *arn) {
        return Err(AwsFault::new("ResourceNotFoundException", format!("The resource {arn} does not exist")));
    }
    let tags = world.scaling.tags.entry(arn).or_default();
    match operation {
        "ListTagsForResource" => return Ok(json!({"Tags": tags})),
        "TagResource" => {
            for (key, value) in input["Tags"].as_object().into_iter().flatten() {
                tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        "UntagResource" => texts(input, "TagKeys").iter().for_each(|key| drop(tags.remove(*key))),
        _ => return Err(AwsFault::unknown_operation()),
    }
    Ok(json!({}))
}

fn describe(world: &World, input: &Value) -> Value {
    let ids = texts(input, "ResourceIds");
    let dimension = text(input, "ScalableDimension");
    let fits = |target: &&Value| {
        text(target, "ServiceNamespace") == text(input, "ServiceNamespace")
            && (ids.is_empty() || ids.iter().any(|id| target["ResourceId"] == **id))
            && dimension.is_none_or(|dimension| target["ScalableDimension"] == dimension)
    };
    json!({"ScalableTargets": world.scaling.targets.iter().filter(fits).collect::<Vec<_>>()})
}

fn register(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let id = text(input, "ResourceId").unwrap_or_default().to_owned();
    let parts: Vec<&str> = id.split('/').collect();
    let ["service", cluster, service] = parts.as_slice() else {
        return Err(AwsFault::new("ValidationException", "Unsupported resource id"));
    };
    if world.ecs.service(cluster, service).is_none() {
        return Err(AwsFault::new("ValidationException", format!("ECS service doesn't exist: {id}")));
    }
    if !world.scaling.targets.iter().any(|target| target["ResourceId"] == id) {
        let (least, most) = (&input["MinCapacity"], &input["MaxCapacity"]);
        let (Some(least), Some(most)) = (least.as_u64(), most.as_u64()) else {
            let message = "MinCapacity and MaxCapacity must be given for a new scalable target";
            return Err(AwsFault::new("ValidationException", message));
        };
        let now = world.now;
        world.scaling.add(cluster, service, least, most, now);
    }
    let mut arn = Value::Null;
    for target in world.scaling.targets.iter_mut().filter(|target| target["ResourceId"] == id) {
        for name in ["MinCapacity", "MaxCapacity"] {
            if input[name].is_u64() {
                target[name] = input[name].clone();
            }
        }
        for part in PARTS {
            if let Some(suspended) = flag(&input["SuspendedState"], part) {
                target["SuspendedState"][part] = json!(suspended);
            }
        }
        arn = target["ScalableTargetARN"].clone();
    }
    Ok(json!({"ScalableTargetARN": arn}))
}
