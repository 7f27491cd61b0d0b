//! Resource names as AWS writes them, for the one account and region there is.

/// The account that everything belongs to.
pub const ACCOUNT: &str = "111122223333";
/// The region that everything is in.
pub const REGION: &str = "eu-west-1";
/// Who calls, as AWS names a role's session.
pub const CALLER: &str = "arn:aws:sts::111122223333:assumed-role/deploy/ci";

/// A name of a resource of ECS.
pub(crate) fn ecs(resource: &str) -> String {
    format!("arn:aws:ecs:{REGION}:{ACCOUNT}:{resource}")
}

/// A cluster's name.
pub(crate) fn cluster(cluster: &str) -> String {
    ecs(&format!("cluster/{cluster}"))
}

/// A service's name.
pub(crate) fn service(cluster: &str, service: &str) -> String {
    ecs(&format!("service/{cluster}/{service}"))
}

/// A task's name.
pub(crate) fn task(cluster: &str, id: &str) -> String {
    ecs(&format!("task/{cluster}/{id}"))
}

/// A task definition's name.
pub(crate) fn definition(family: &str, revision: u64) -> String {
    ecs(&format!("task-definition/{family}:{revision}"))
}

/// A name of a resource of the load balancer.
pub(crate) fn balancing(resource: &str) -> String {
    format!("arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:{resource}")
}

/// A target group's name. The last part is made from its short name, so that it stays the same.
pub(crate) fn target_group(name: &str) -> String {
    let sum = name.bytes().fold(0x6d0e_cf83_1eec_9f09_u64, |sum, byte| sum.rotate_left(5) ^ u64::from(byte));
    balancing(&format!("targetgroup/{name}/{sum:016x}"))
}

/// A role's name.
pub(crate) fn role(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// The last part of a resource's name; a short name stays as it is.
pub(crate) fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
