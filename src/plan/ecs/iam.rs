//! The least that a role has to be allowed for deployments to one environment and for its `verify`, and who may take that
//! role on.
//!
//! Actions and resources as the service authorization reference lists them; `*` where AWS knows no resource.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{EcsObserved, Needs, image_in, needs};
use crate::config::{AutoScaling, EcsTarget, ImageConfig};
use crate::domain::{EcrRepository, EnvName, TokenRepo};

/// GitHub's issuer of tokens, as IAM names identity providers.
const ISSUER: &str = "token.actions.githubusercontent.com";

/// One document with `policy` and `trust`; `None` where there is no service to read account and roles from.
#[must_use]
pub fn iam_policy(
    environment: &EnvName,
    repository: &TokenRepo,
    target: &EcsTarget,
    image: Option<&ImageConfig>,
    observed: &EcsObserved,
) -> Option<Value> {
    let service = observed.service.as_ref()?;
    // arn:<partition>:ecs:<region>:<account>:service/<cluster>/<service>
    let parts: Vec<&str> = service.service_arn.splitn(6, ':').collect();
    let [_, partition, _, region, account, _] = parts.as_slice() else { return None };
    let place = Place { partition, region, account };
    let mut statements = vec![tasks(&place, target, observed), definitions(), marks(&place, observed)];
    statements.extend(roles(&place, observed));
    match service.controller() {
        "CODE_DEPLOY" => statements.extend(code_deploy(&place, target, observed)),
        _ if service.strategy() != "ROLLING" => statements.push(staged(&place, target)),
        _ => {}
    }
    if target.auto_scaling == AutoScaling::Hold {
        statements.extend(scaling(&place));
    }
    if target.before_deploy.is_some() {
        statements.push(one_off(&place, target, observed));
    }
    statements.extend(diagnosis(&place, target, observed));
    statements.extend(registry(&place, target, image, observed));
    statements.extend(looks(&place, &needs(target, observed)));
    Some(json!({
        "policy": {"Version": "2012-10-17", "Statement": statements},
        "trust": {
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Federated": format!("arn:{partition}:iam::{account}:oidc-provider/{ISSUER}")},
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {
                    format!("{ISSUER}:aud"): "sts.amazonaws.com",
                    format!("{ISSUER}:sub"): format!("repo:{repository}:environment:{environment}"),
                }},
            }],
        },
    }))
}

#[derive(Clone, Copy)]
struct Place<'a> {
    partition: &'a str,
    region: &'a str,
    account: &'a str,
}

impl Place<'_> {
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }

    /// A role by its ARN: ECS takes its name alone, IAM does not.
    fn role(&self, role: &str) -> String {
        match role.starts_with("arn:") {
            true => role.to_owned(),
            false => format!("arn:{}:iam::{}:role/{role}", self.partition, self.account),
        }
    }
}

fn allow(sid: &str, actions: &[&str], resources: &[String]) -> Value {
    json!({"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources})
}

fn everywhere() -> Vec<String> {
    vec!["*".to_owned()]
}

fn tasks(place: &Place<'_>, target: &EcsTarget, observed: &EcsObserved) -> Value {
    let resource = place.arn("ecs", &format!("service/{}/{}", target.cluster, target.service));
    let by_ecs = observed.service.as_ref().is_some_and(|service| service.controller() == "ECS");
    // Application Auto Scaling looks whether its caller may change what it scales.
    let actions: &[&str] = if by_ecs || target.auto_scaling == AutoScaling::Hold {
        &["ecs:DescribeServices", "ecs:UpdateService"]
    } else {
        &["ecs:DescribeServices"]
    };
    allow("Service", actions, &[resource])
}

fn definitions() -> Value {
    allow(
        "TaskDefinitions",
        &["ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions", "ecs:RegisterTaskDefinition"],
        &everywhere(),
    )
}

/// For the tags that tell which revision was proven: of what is deployed, and of what runs, which `rollback` may go on with.
fn marks(place: &Place<'_>, observed: &EcsObserved) -> Value {
    let running = observed.running.as_ref().map(|running| running.arn.family().to_owned());
    let families: BTreeSet<String> = running.into_iter().chain([family(observed)]).collect();
    let resource = |family: &String| place.arn("ecs", &format!("task-definition/{family}:*"));
    allow("Marks", &["ecs:TagResource"], &families.iter().map(resource).collect::<Vec<_>>())
}

/// The family of what is deployed: the file's, where there is one, which need not be that of what runs.
fn family(observed: &EcsObserved) -> String {
    let running = observed.running.as_ref().map(|running| running.arn.family().to_owned());
    let named = document(observed).and_then(|document| Some(document["family"].as_str()?.to_owned()));
    named.or(running).unwrap_or_else(|| "*".to_owned())
}

/// The task definition in the repository, where there is one that can be read.
fn document(observed: &EcsObserved) -> Option<Value> {
    observed.files.task_definition.as_ref().and_then(|found| serde_json::from_str(found.text()?).ok())
}

/// The roles that tasks get; without them nothing is passed on.
fn roles(place: &Place<'_>, observed: &EcsObserved) -> Option<Value> {
    let file = document(observed);
    let definitions = observed.running.as_ref().map(|running| &running.definition).into_iter().chain(&file);
    let of = |definition: &Value| {
        ["executionRoleArn", "taskRoleArn"].map(|role| definition[role].as_str().map(str::to_owned))
    };
    let named = definitions.flat_map(of).flatten().filter(|role| !role.is_empty());
    let roles: BTreeSet<String> = named.map(|role| place.role(&role)).collect();
    (!roles.is_empty()).then(|| {
        json!({
            "Sid": "RolesOfTasks",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": roles,
            "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        })
    })
}

fn code_deploy(place: &Place<'_>, target: &EcsTarget, observed: &EcsObserved) -> Vec<Value> {
    let names = &target.code_deploy;
    let group = place.arn("codedeploy", &format!("deploymentgroup:{}/{}", names.application, names.group));
    let application = place.arn("codedeploy", &format!("application:{}", names.application));
    let of_group = observed.code_deploy.group.as_ref().map(|group| group.deployment_config_name.as_str());
    let config = names.config.as_deref().or(of_group).filter(|name| !name.is_empty()).unwrap_or("*");
    vec![
        allow(
            "Deployments",
            &[
                "codedeploy:CreateDeployment",
                "codedeploy:GetDeployment",
                "codedeploy:GetDeploymentGroup",
                "codedeploy:ListDeployments",
            ],
            &[group],
        ),
        // Of these AWS may know no resource; a policy that names one would then allow nothing.
        allow(
            "DeploymentsUnderWay",
            &["codedeploy:ContinueDeployment", "codedeploy:GetDeploymentTarget", "codedeploy:StopDeployment"],
            &everywhere(),
        ),
        allow(
            "DeploymentConfig",
            &["codedeploy:GetDeploymentConfig"],
            &[place.arn("codedeploy", &format!("deploymentconfig:{config}"))],
        ),
        // Asked for by CreateDeployment itself.
        allow(
            "Revisions",
            &["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"],
            &[application],
        ),
    ]
}

fn staged(place: &Place<'_>, target: &EcsTarget) -> Value {
    let deployments = place.arn("ecs", &format!("service-deployment/{}/{}/*", target.cluster, target.service));
    let revisions = place.arn("ecs", &format!("service-revision/{}/{}/*", target.cluster, target.service));
    allow(
        "Deployments",
        &[
            "ecs:ContinueServiceDeployment",
            "ecs:DescribeServiceDeployments",
            "ecs:DescribeServiceRevisions",
            "ecs:StopServiceDeployment",
        ],
        &[deployments, revisions],
    )
}

/// For scaling that stands still meanwhile. A scalable target's name ends in an id that nothing else tells.
fn scaling(place: &Place<'_>) -> [Value; 2] {
    [
        allow("ScalingLook", &["application-autoscaling:DescribeScalableTargets"], &everywhere()),
        allow(
            "Scaling",
            &[
                "application-autoscaling:ListTagsForResource",
                "application-autoscaling:RegisterScalableTarget",
                "application-autoscaling:TagResource",
                "application-autoscaling:UntagResource",
            ],
            &[place.arn("application-autoscaling", "scalable-target/*")],
        ),
    ]
}

/// For a command that runs as a task of its own.
fn one_off(place: &Place<'_>, target: &EcsTarget, observed: &EcsObserved) -> Value {
    let resources = [
        place.arn("ecs", &format!("task-definition/{}:*", family(observed))),
        place.arn("ecs", &format!("task/{}/*", target.cluster)),
    ];
    allow("OneOff", &["ecs:RunTask", "ecs:StopTask"], &resources)
}

fn diagnosis(place: &Place<'_>, target: &EcsTarget, observed: &EcsObserved) -> Vec<Value> {
    let cluster = place.arn("ecs", &format!("cluster/{}", target.cluster));
    let mut all = vec![
        json!({
            "Sid": "DiagnosisTasks",
            "Effect": "Allow",
            "Action": ["ecs:DescribeTasks", "ecs:ListTasks"],
            "Resource": "*",
            "Condition": {"ArnEquals": {"ecs:cluster": cluster}},
        }),
        allow(
            "DiagnosisTargets",
            &["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"],
            &everywhere(),
        ),
    ];
    let file = document(observed);
    let definitions = observed.running.as_ref().map(|running| &running.definition).into_iter().chain(&file);
    let mut groups: Vec<String> = definitions
        .filter_map(|definition| definition["containerDefinitions"].as_array())
        .flatten()
        .filter_map(|container| container.pointer("/logConfiguration/options/awslogs-group")?.as_str())
        .map(|group| place.arn("logs", &format!("log-group:{group}:log-stream:*")))
        .collect();
    groups.sort();
    groups.dedup();
    if !groups.is_empty() {
        all.push(allow("DiagnosisLogs", &["logs:GetLogEvents"], &groups));
    }
    all
}

/// For images of a registry of AWS: the deployed container's, and those that commits are built into. What runs beside it is
/// nobody's to push.
fn registry(place: &Place<'_>, target: &EcsTarget, image: Option<&ImageConfig>, observed: &EcsObserved) -> Vec<Value> {
    let wanted = image.and_then(|image| match (EcrRepository::of(&image.repository), &image.ecr) {
        (Some(found), _) => Some(found.arn()),
        (None, Some(ecr)) => {
            let name = image.repository.as_str().split_once('/')?.1;
            let region = ecr.region.as_ref().map_or(place.region, |region| region.as_str());
            Some(Place { region, ..*place }.arn("ecr", &format!("repository/{name}")))
        }
        (None, None) => None,
    });
    let running = observed.running.as_ref().and_then(|running| image_in(target, running));
    let running = running.as_deref().and_then(repository).map(|found| found.arn());
    let mut repositories: Vec<String> = running.into_iter().chain(wanted.clone()).collect();
    repositories.sort();
    repositories.dedup();
    if repositories.is_empty() {
        return Vec::new();
    }
    let mut all = vec![
        allow("RegistryLogin", &["ecr:GetAuthorizationToken"], &everywhere()),
        allow(
            "RegistryPush",
            &[
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:DescribeImages",
                "ecr:DescribeRepositories",
                "ecr:GetDownloadUrlForLayer",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ],
            &repositories,
        ),
    ];
    let makes = image.and_then(|image| image.ecr.as_ref()?.create.as_ref()).is_some();
    if let (true, Some(wanted)) = (makes, wanted) {
        all.push(allow("RegistryMake", &["ecr:CreateRepository", "ecr:PutLifecyclePolicy"], &[wanted]));
    }
    all
}

/// For `verify`, which looks whether all that tasks start with is there. Deployments do not need it.
fn looks(place: &Place<'_>, needs: &Needs) -> Vec<Value> {
    let any = |wanted: bool, resource: String| if wanted { vec![resource] } else { Vec::new() };
    // Where the six characters are left out that AWS adds to a secret's name, the policy has to stand for them.
    let secrets = needs.secrets.iter().flat_map(|secret| [secret.clone(), format!("{secret}-??????")]);
    [
        ("VerifyLogs", "logs:DescribeLogGroups", any(!needs.log_groups.is_empty(), place.arn("logs", "log-group:*"))),
        ("VerifySecrets", "secretsmanager:DescribeSecret", secrets.collect()),
        ("VerifyParameters", "ssm:DescribeParameters", any(!needs.parameters.is_empty(), "*".to_owned())),
        ("VerifyRoles", "iam:GetRole", needs.roles.iter().map(|role| place.role(role)).collect()),
    ]
    .into_iter()
    .filter(|(.., resources)| !resources.is_empty())
    .map(|(sid, action, resources)| allow(sid, &[action], &resources))
    .collect()
}

/// `111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/web:1@sha256:…`, without what follows its name.
fn repository(image: &str) -> Option<EcrRepository> {
    let (host, rest) = image.split_once('/')?;
    let name = rest.split(['@', ':']).next()?;
    EcrRepository::of(&format!("{host}/{name}").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_of_aws_have_a_repository() {
        let name = |image| repository(image).map(|found| found.name);
        assert_eq!(
            name("111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/web:1@sha256:ab").as_deref(),
            Some("team/web")
        );
        assert_eq!(name("nginx"), None);
    }
}
