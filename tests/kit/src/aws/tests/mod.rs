//! Tests of the world, one subject a file, and of its wires.

mod code_deploy;
mod definitions;
mod deployment_ends;
mod native;
mod refusals;
mod rolling;
mod surroundings;
mod tasks;
mod wire;
mod wrong_calls;

use serde_json::{Value, json};

use super::{AwsFault, Request, Service, World};

/// The names that AWS's own tools guess.
const APPLICATION: &str = "AppECS-badgery-web";
const GROUP: &str = "DgpECS-badgery-web";

fn world() -> World {
    World::fargate("badgery", "web")
}

fn ask(world: &mut World, service: Service, operation: &str, input: Value) -> Result<Value, AwsFault> {
    world.call(&Request::new(service, operation, input).signed("AKIAFIRST"))
}

fn ecs(world: &mut World, operation: &str, input: Value) -> Value {
    ask(world, Service::Ecs, operation, input).unwrap()
}

fn code_deploy(world: &mut World, operation: &str, input: Value) -> Value {
    ask(world, Service::CodeDeploy, operation, input).unwrap()
}

/// The code of a refusal.
fn refusal(world: &mut World, service: Service, operation: &str, input: Value) -> String {
    ask(world, service, operation, input).unwrap_err().code
}

/// What a client registers: the described definition with another image.
fn next_definition(world: &mut World) -> Value {
    let described = ecs(world, "DescribeTaskDefinition", json!({"taskDefinition": "web"}));
    let mut definition = described["taskDefinition"].clone();
    let only_described = [
        "taskDefinitionArn",
        "revision",
        "status",
        "requiresAttributes",
        "compatibilities",
        "registeredAt",
        "registeredBy",
    ];
    definition.as_object_mut().unwrap().retain(|name, _| !only_described.contains(&name.as_str()));
    definition["containerDefinitions"][0]["image"] = json!(format!("registry/web@sha256:{}", "2".repeat(64)));
    definition
}

/// Registers it, and returns its full name.
fn register(world: &mut World) -> String {
    let definition = next_definition(world);
    let registered = ecs(world, "RegisterTaskDefinition", definition);
    registered["taskDefinition"]["taskDefinitionArn"].as_str().unwrap().to_owned()
}

/// The input of a `CreateDeployment`.
fn deployment_of(definition: &str) -> Value {
    json!({
        "applicationName": APPLICATION,
        "deploymentGroupName": GROUP,
        "revision": World::revision(definition, "web", 8080),
    })
}

/// Registers a definition, deploys it by CodeDeploy, and returns the deployment's id.
fn deploy(world: &mut World) -> String {
    let definition = register(world);
    let created = code_deploy(world, "CreateDeployment", deployment_of(&definition));
    created["deploymentId"].as_str().unwrap().to_owned()
}

/// Looks at a deployment, which lets time pass.
fn look(world: &mut World, id: &str) -> Value {
    code_deploy(world, "GetDeployment", json!({"deploymentId": id}))["deploymentInfo"].clone()
}

/// The only target of a deployment.
fn target(world: &mut World, id: &str) -> Value {
    let input = json!({"deploymentId": id, "targetId": "badgery:web"});
    code_deploy(world, "GetDeploymentTarget", input)["deploymentTarget"]["ecsTarget"].clone()
}

/// Follows a deployment to its end.
fn follow(world: &mut World, id: &str) -> Value {
    let ends = ["Succeeded", "Failed", "Stopped"];
    for _ in 0..1000 {
        let info = look(world, id);
        if ends.contains(&info["status"].as_str().unwrap()) {
            return info;
        }
    }
    panic!("{id} does not end");
}

/// Follows a deployment until an event is under way.
fn reach(world: &mut World, id: &str, event: &str) {
    for _ in 0..1000 {
        look(world, id);
        if status_of(&target(world, id), event) == "InProgress" {
            return;
        }
    }
    panic!("{id} does not reach {event}");
}

/// How an event is.
fn status_of<'a>(target: &'a Value, event: &str) -> &'a str {
    let events = target["lifecycleEvents"].as_array().unwrap();
    let found = events.iter().find(|known| known["lifecycleEventName"] == event);
    found.and_then(|known| known["status"].as_str()).unwrap_or("absent")
}

/// The events of a target, each with its status.
fn events(target: &Value) -> Vec<(&str, &str)> {
    let events = target["lifecycleEvents"].as_array().unwrap().iter();
    events.map(|one| (one["lifecycleEventName"].as_str().unwrap(), one["status"].as_str().unwrap())).collect()
}

/// Label, status and share of each task set of a target.
fn task_sets(target: &Value) -> Vec<(&str, &str, f64)> {
    let sets = target["taskSetsInfo"].as_array().unwrap().iter();
    sets.map(|one| {
        let weight = one["trafficWeight"].as_f64().unwrap();
        (one["taskSetLabel"].as_str().unwrap(), one["status"].as_str().unwrap(), weight)
    })
    .collect()
}

/// The service as it is described.
fn service(world: &mut World) -> Value {
    let input = json!({"cluster": "badgery", "services": ["web"], "include": ["TAGS"]});
    ecs(world, "DescribeServices", input)["services"][0].clone()
}

/// Updates the service to a definition.
fn update(world: &mut World, definition: &str) -> Value {
    let input = json!({"cluster": "badgery", "service": "web", "taskDefinition": definition});
    ecs(world, "UpdateService", input)["service"].clone()
}
