//! One sentence for each family of reasons that ECS, load balancers and programs give.

/// Of an image, by the registry and by the kernel.
const OTHER_ARCHITECTURE: &str =
    "the image is built for another architecture than the task's: build for it, or set `runtimePlatform`";
/// Of a registry whose login the task does not get.
const NO_LOGIN: &str = "the task gets no login for ECR: check its subnets' route (NAT, or VPC endpoints for ECR and S3) and security group, and that the execution role has ecr:GetAuthorizationToken";

/// Words of a reason, all of which it has to hold, and what to do about it. The first that fits counts.
const FAMILIES: &[(&[&str], &str)] = &[
    (
        &["unable to assume the role"],
        "a role of the task does not exist, or does not let ECS take it on: check `executionRoleArn` and `taskRoleArn`, and that its trust policy names ecs-tasks.amazonaws.com",
    ),
    (&["CannotPullContainer", "descriptor matching platform"], OTHER_ARCHITECTURE),
    (
        &["CannotPullContainer", "not found"],
        "the image is not in the registry under that digest: push it first, and check repository and region",
    ),
    (
        &["CannotPullContainer", "denied"],
        "the execution role may not read the repository: give it ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer",
    ),
    (
        &["CannotPullContainer", "403"],
        "the execution role may not read the repository: give it ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer",
    ),
    (
        &["CannotPullContainer"],
        "the task does not reach the registry: check its subnets' route (NAT, or VPC endpoints for ECR and S3), its security group, and the image's name",
    ),
    (&["ResourceInitializationError", "registry auth from"], NO_LOGIN),
    (&["ResourceInitializationError", "ecr registry auth"], NO_LOGIN),
    (
        &["ResourceInitializationError", "secret"],
        "the execution role may not read a secret, or does not reach it: check secretsmanager:GetSecretValue or ssm:GetParameters, kms:Decrypt, the ARN, and the VPC endpoint",
    ),
    (
        &["ResourceInitializationError", "log"],
        "the log group does not exist, or the execution role may not write to it: make the group, and give logs:CreateLogStream and logs:PutLogEvents",
    ),
    (
        &["ResourceInitializationError"],
        "the task could not be set up: check the execution role, secrets, log group, volumes and VPC endpoints",
    ),
    (
        &["ResponseCodeMismatch"],
        "the health check's path answers with another status than it expects: check path and matcher of the target group, and what the application answers there",
    ),
    (
        &["Target.Timeout"],
        "the health check gets no answer: check that the application listens on 0.0.0.0 and on that port, and that the task's security group lets the load balancer in",
    ),
    (
        &["Target.FailedHealthChecks"],
        "nobody accepts the health check's connection: check the container's port and that the application listens on it",
    ),
    (
        &["failed ELB health checks"],
        "the load balancer found the tasks unhealthy: check path, port and matcher of its target group, and the service's health check grace period",
    ),
    (
        &["failed container health checks"],
        "the container's own health check fails: run its command inside the container",
    ),
    (&["OutOfMemory"], "the container needs more memory than it may have: raise `memory` in the task definition"),
    (&["exec format error"], OTHER_ARCHITECTURE),
    (
        &["unable to place a task"],
        "no container instance has room for the task: add capacity, or lower the task's `cpu` and `memory`",
    ),
    (
        &["Capacity is unavailable"],
        "AWS has no capacity for such a task there at the moment: try again, or allow more zones or capacity providers",
    ),
    (
        &["still pending"],
        "ECS has made the tasks and not started their containers: it waits for a network address, the image, a secret, a volume, or a container that `dependsOn` names; `aws ecs describe-tasks` shows each container's state",
    ),
    (
        &["unable to consistently start"],
        "the tasks start and end again and again: their exit codes and last log lines say why",
    ),
];

/// What to do about a reason, where it is of a known family.
pub(super) fn of(reason: &str) -> Option<&'static str> {
    let fits = |words: &&[&str]| {
        let text = reason.to_lowercase();
        words.iter().all(|word| text.contains(&word.to_lowercase()))
    };
    FAMILIES.iter().find(|(words, _)| fits(words)).map(|(_, sentence)| *sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_told_apart() {
        for (reason, word) in [
            ("CannotPullContainerError: … web@sha256:…: not found", "push it first"),
            ("CannotPullContainerError: pull access denied", "execution role"),
            ("CannotPullContainerError: dial tcp: i/o timeout", "does not reach the registry"),
            (
                "CannotPullContainerError: pull image manifest has been retried 1 time(s): image Manifest does not contain descriptor matching platform 'linux/amd64'",
                "another architecture",
            ),
            ("CannotPullContainerError: … 403 Forbidden", "ecr:BatchGetImage"),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s)",
                "may not read a secret",
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network configuration.",
                "no login for ECR",
            ),
            (
                "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve ecr registry auth: service call has been retried 3 time(s)",
                "no login for ECR",
            ),
            ("ResourceInitializationError: failed to create new container runtime task", "could not be set up"),
            ("Request timed out (Target.Timeout)", "gets no answer"),
            ("Health checks failed (Target.FailedHealthChecks)", "nobody accepts"),
            ("Task failed ELB health checks in (target-group arn:aws:…)", "load balancer found"),
            ("Task failed container health checks", "own health check"),
            (
                "Capacity is unavailable at this time. Please try again later or in a different availability zone",
                "no capacity",
            ),
            ("2 tasks are still pending, and none of revision `web:2` runs yet", "network address"),
            ("service web is unable to consistently start tasks successfully.", "again and again"),
            ("ResourceInitializationError: failed to validate logger args: log group does not exist", "log group"),
            ("Health checks failed with these codes: [404] (Target.ResponseCodeMismatch)", "path"),
            ("OutOfMemoryError: Container killed due to memory usage", "memory"),
            ("exec /app: exec format error", "architecture"),
            (
                "ECS was unable to assume the role 'arn:aws:iam::111122223333:role/web' that was provided",
                "trust policy",
            ),
            (
                "service web was unable to place a task because no container instance met all of its requirements",
                "room",
            ),
        ] {
            assert!(of(reason).is_some_and(|advice| advice.contains(word)), "{reason}: {:?}", of(reason));
        }
        assert_eq!(of("Essential container in task exited"), None);
    }
}
