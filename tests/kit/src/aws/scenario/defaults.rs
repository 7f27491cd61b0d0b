//! The world that nothing was said about: a service on Fargate behind a load balancer, which ECS deploys by rolling.

use serde_json::{Value, json};

use crate::aws::balancer::Balancer;
use crate::aws::codedeploy::{self, CodeDeploy};
use crate::aws::ecs::fleet::{self, NewFleet};
use crate::aws::ecs::rolling::Rollout;
use crate::aws::ecs::{Controller, Ecs, Launch, Service, register, service};
use crate::aws::gate::Gate;
use crate::aws::ids::Ids;
use crate::aws::logs::Logs;
use crate::aws::names;
use crate::aws::registry::{Image, Registry, Repository};
use crate::aws::scaling::Scaling;
use crate::aws::secrets::Secrets;
use crate::aws::world::{EPOCH, World};

/// The digest of the image that a world begins with.
pub const IMAGE_DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

/// The role that tasks are started with.
const EXECUTION_ROLE: &str = "ecsTaskExecutionRole";
/// The role that what runs in tasks has.
const TASK_ROLE: &str = "web-task";
/// How far one poll moves the clock, in seconds.
const TICK: u64 = 15;
/// The default number of tasks.
const DESIRED: u64 = 2;

impl World {
    /// A service on Fargate with two tasks of revision 1 of the task definition of its own name, whose container of
    /// that name listens on port 8080. ECS deploys it by rolling, with no circuit breaker.
    #[must_use]
    pub fn fargate(cluster: &str, service: &str) -> Self {
        let host = format!("{}.dkr.ecr.{}.amazonaws.com", names::ACCOUNT, names::REGION);
        let image = Image { digest: IMAGE_DIGEST.to_owned(), tags: vec!["v1".to_owned()] };
        let repository = Repository { images: vec![image], ..Repository::new(service, EPOCH) };
        let mut world = Self {
            now: EPOCH,
            tick: TICK,
            faults: Vec::new(),
            cluster: cluster.to_owned(),
            service: service.to_owned(),
            wall: EPOCH,
            session_seconds: 3600,
            install_limit: 3600,
            ids: Ids::default(),
            gate: Gate::default(),
            ecs: Ecs::default(),
            codedeploy: CodeDeploy { configs: codedeploy::defaults(), ..CodeDeploy::default() },
            balancer: Balancer::new(&format!("{cluster}-{service}")),
            scaling: Scaling::default(),
            logs: Logs { of_new_tasks: lines(), ..Logs::default() },
            secrets: Secrets::default(),
            roles: [EXECUTION_ROLE, TASK_ROLE].map(|name| (name.to_owned(), "/".to_owned())).into(),
            registry: Registry { host: host.clone(), scheme: "https".to_owned(), repositories: vec![repository] },
        };
        world.long_ago(|world| {
            register::add(world, &definition(&host, service), false);
            add_service(world, service, Some(format!("{cluster}-{service}-blue")), &names::definition(service, 1));
        });
        world
    }
}

/// Adds a service that ECS deploys by rolling.
pub(super) fn add_service(world: &mut World, name: &str, target_group: Option<String>, definition: &str) {
    let (cluster, now) = (world.cluster.clone(), world.now);
    let id = format!("ecs-svc/{}", world.ids.digits());
    let mut rollout = Rollout::new(id.clone(), definition, now);
    rollout.state = "COMPLETED";
    rollout.reason = format!("ECS deployment {id} completed.");
    world.ecs.services.push(Service {
        cluster: cluster.clone(),
        name: name.to_owned(),
        controller: Controller::Ecs,
        launch: Launch::Fargate,
        active: true,
        created: now,
        desired: DESIRED,
        definition: definition.to_owned(),
        target_group: target_group.clone(),
        members: members(name, target_group.is_some()),
        configuration: configuration(),
        tags: json!([{"key": "team", "value": "badgery"}]),
        events: Vec::new(),
        rollouts: vec![rollout],
        task_sets: Vec::new(),
        current_deployment: None,
    });
    let target_group = target_group.as_deref();
    let fleet = NewFleet { id: &id, cluster: &cluster, service: name, definition, target_group, desired: DESIRED };
    fleet::create(world, fleet);
    fleet::run(world);
    service::tell(world, &cluster, name, format!("(service {name}) has reached a steady state."));
}

/// Members that nothing here reads.
fn members(container: &str, balanced: bool) -> Value {
    let balancers = match balanced {
        true => json!([{"targetGroupArn": "", "containerName": container, "containerPort": 8080}]),
        false => json!([]),
    };
    json!({
        "loadBalancers": balancers,
        "networkConfiguration": {"awsvpcConfiguration": {
            "subnets": ["subnet-0a1b2c3d", "subnet-4e5f6a7b"],
            "securityGroups": ["sg-0123456789abcdef0"],
            "assignPublicIp": "DISABLED",
        }},
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "healthCheckGracePeriodSeconds": 30,
        "enableECSManagedTags": true,
        "propagateTags": "SERVICE",
        "enableExecuteCommand": false,
    })
}

fn configuration() -> Value {
    json!({
        "deploymentCircuitBreaker": {"enable": false, "rollback": false},
        "maximumPercent": 200,
        "minimumHealthyPercent": 100,
        "strategy": "ROLLING",
    })
}

fn definition(host: &str, name: &str) -> Value {
    json!({
        "family": name,
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "256",
        "memory": "512",
        "executionRoleArn": names::role(EXECUTION_ROLE),
        "taskRoleArn": names::role(TASK_ROLE),
        "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
        "containerDefinitions": [{
            "name": name,
            "image": format!("{host}/{name}@{IMAGE_DIGEST}"),
            "essential": true,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "environment": [{"name": "PORT", "value": "8080"}],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": format!("/ecs/{name}"),
                    "awslogs-region": names::REGION,
                    "awslogs-stream-prefix": name,
                },
            },
        }],
        "tags": [{"key": "team", "value": "badgery"}],
    })
}

/// What a task of a new task definition writes where nothing else is said.
fn lines() -> Vec<String> {
    ["starting", "listening on port 8080"].map(ToOwned::to_owned).to_vec()
}
