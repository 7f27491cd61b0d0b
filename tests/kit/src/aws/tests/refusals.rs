//! What CodeDeploy does not accept.

use serde_json::{Value, json};

use super::{deployment_of, refusal, register, world};
use crate::aws::{Service, Shift, World};

fn all_at_once() -> World {
    world().code_deploy(Shift::AllAtOnce)
}

/// The code of the refusal of a `CreateDeployment` that is changed like this.
fn refused(world: &mut World, change: impl FnOnce(&mut Value)) -> String {
    let definition = register(world);
    let mut input = deployment_of(&definition);
    change(&mut input);
    refusal(world, Service::CodeDeploy, "CreateDeployment", input)
}

/// An input whose AppSpec is changed like this.
fn with_appspec(input: &mut Value, change: impl FnOnce(&mut Value)) {
    let content = input["revision"]["appSpecContent"]["content"].as_str().unwrap();
    let mut content: Value = serde_json::from_str(content).unwrap();
    change(&mut content);
    input["revision"]["appSpecContent"] = json!({"content": content.to_string()});
}

#[test]
fn appspecs_that_are_not_valid() {
    type Change = fn(&mut Value);
    let properties: [(&str, Change); 13] = [
        ("unknown key at the top", |spec| spec["Extra"] = json!(1)),
        ("no version", |spec| spec["version"] = json!(null)),
        ("another version", |spec| spec["version"] = json!(1.0)),
        ("two resources", |spec| {
            let first = spec["Resources"][0].clone();
            spec["Resources"].as_array_mut().unwrap().push(first);
        }),
        ("another type", |spec| spec["Resources"][0]["TargetService"]["Type"] = json!("AWS::Lambda::Function")),
        ("unknown property", |spec| properties_of(spec)["Cpu"] = json!(1)),
        ("short definition", |spec| properties_of(spec)["TaskDefinition"] = json!("web:2")),
        ("no revision", |spec| {
            properties_of(spec)["TaskDefinition"] = json!("arn:aws:ecs:eu-west-1:111122223333:task-definition/web");
        }),
        ("unknown definition", |spec| {
            properties_of(spec)["TaskDefinition"] = json!("arn:aws:ecs:eu-west-1:111122223333:task-definition/web:99");
        }),
        ("port as text", |spec| properties_of(spec)["LoadBalancerInfo"]["ContainerPort"] = json!("8080")),
        ("partial network", |spec| {
            properties_of(spec)["NetworkConfiguration"] = json!({"AwsvpcConfiguration": {"Subnets": ["subnet-1"]}});
        }),
        ("unknown hook", |spec| spec["Hooks"] = json!([{"AllowTraffic": "check"}])),
        ("hook without a function", |spec| spec["Hooks"] = json!([{"BeforeInstall": ""}])),
    ];
    let mut world = all_at_once();
    for (what, change) in properties {
        let code = refused(&mut world, |input| with_appspec(input, change));
        assert_eq!(code, "InvalidRevisionException", "{what}");
    }
    for content in ["", "{", "- a\n- b\n", "version: 0.0\n\tResources: []\n"] {
        let code = refused(&mut world, |input| input["revision"]["appSpecContent"] = json!({"content": content}));
        assert!(
            ["InvalidRevisionException", "RevisionRequiredException"].contains(&code.as_str()),
            "{content}: {code}"
        );
    }
}

fn properties_of(spec: &mut Value) -> &mut Value {
    &mut spec["Resources"][0]["TargetService"]["Properties"]
}

#[test]
fn inputs_that_are_not_valid() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 15] = [
        ("ApplicationNameRequiredException", |input| input["applicationName"] = json!(null)),
        ("ApplicationDoesNotExistException", |input| input["applicationName"] = json!("AppECS-other")),
        ("DeploymentGroupNameRequiredException", |input| input["deploymentGroupName"] = json!(null)),
        ("DeploymentGroupDoesNotExistException", |input| input["deploymentGroupName"] = json!("DgpECS-other")),
        ("RevisionRequiredException", |input| input["revision"] = json!(null)),
        ("RevisionDoesNotExistException", |input| input["revision"] = json!({"revisionType": "S3", "s3Location": {}})),
        ("InvalidRevisionException", |input| {
            input["revision"]["appSpecContent"]["sha256"] = json!("0".repeat(64));
        }),
        ("DeploymentConfigDoesNotExistException", |input| input["deploymentConfigName"] = json!("other")),
        ("InvalidComputePlatformException", |input| {
            input["deploymentConfigName"] = json!("CodeDeployDefault.OneAtATime");
        }),
        ("InvalidComputePlatformException", |input| {
            input["applicationName"] = json!("AppServer");
            input["deploymentGroupName"] = json!("DgpServer");
        }),
        ("DescriptionTooLongException", |input| input["description"] = json!("x".repeat(257))),
        ("InvalidAutoRollbackConfigException", |input| {
            input["autoRollbackConfiguration"] = json!({"enabled": true, "events": []});
        }),
        ("InvalidAutoRollbackConfigException", |input| {
            input["autoRollbackConfiguration"] = json!({"enabled": true, "events": ["ALWAYS"]});
        }),
        ("InvalidAlarmConfigException", |input| input["overrideAlarmConfiguration"] = json!({"enabled": true})),
        ("AlarmsLimitExceededException", |input| {
            let alarms: Vec<Value> = (0..11).map(|at| json!({"name": format!("alarm-{at}")})).collect();
            input["overrideAlarmConfiguration"] = json!({"enabled": true, "alarms": alarms});
        }),
    ];
    let mut world = all_at_once().server_group();
    for (expected, change) in cases {
        assert_eq!(refused(&mut world, change), expected);
    }
    assert!(world.deployments().is_empty());
}

#[test]
fn a_service_that_is_not_deployed_by_it() {
    let mut world = all_at_once().rolling(crate::aws::Breaker::Off);
    world.alter(|service| service.controller = crate::aws::ecs::Controller::Ecs);
    assert_eq!(refused(&mut world, |_| {}), "InvalidECSServiceException");
}

#[test]
fn a_definition_that_is_inactive() {
    let mut world = all_at_once();
    let definition = register(&mut world);
    super::ecs(&mut world, "DeregisterTaskDefinition", json!({"taskDefinition": definition}));
    let code = refusal(&mut world, Service::CodeDeploy, "CreateDeployment", deployment_of(&definition));
    assert_eq!(code, "InvalidRevisionException");
}

#[test]
fn appspecs_that_are_valid() {
    let yaml = "\
version: 0.0
resources:
  - web:
      type: AWS::ECS::Service
      properties:
        taskDefinition: ARN
        loadBalancerInfo:
          containerName: web
          containerPort: 8080
";
    let mut world = all_at_once();
    let definition = register(&mut world);
    for content in [yaml.replace("ARN", &definition), yaml.replace("0.0", "\"0.0\"").replace("ARN", &definition)] {
        let mut input = deployment_of(&definition);
        input["revision"]["appSpecContent"] = json!({"content": content});
        let created = super::code_deploy(&mut world, "CreateDeployment", input);
        let id = created["deploymentId"].as_str().unwrap().to_owned();
        assert_eq!(super::follow(&mut world, &id)["status"], "Succeeded");
    }
}

#[test]
fn a_container_that_the_definition_does_not_have_fails_the_deployment() {
    for (container, port) in [("api", 8080), ("web", 9090)] {
        let mut world = all_at_once();
        let definition = register(&mut world);
        let mut input = deployment_of(&definition);
        input["revision"] = World::revision(&definition, container, port);
        let created = super::code_deploy(&mut world, "CreateDeployment", input);
        let id = created["deploymentId"].as_str().unwrap().to_owned();
        assert_eq!(super::follow(&mut world, &id)["errorInformation"]["code"], "ECS_UPDATE_ERROR");
    }
}

#[test]
fn ids_and_targets_that_are_not_there() {
    let mut world = all_at_once();
    let id = super::deploy(&mut world);
    while super::look(&mut world, &id)["status"] != "InProgress" {}
    let cases = [
        ("GetDeployment", json!({}), "DeploymentIdRequiredException"),
        ("GetDeployment", json!({"deploymentId": "d-1"}), "InvalidDeploymentIdException"),
        ("GetDeployment", json!({"deploymentId": "d-000000000"}), "DeploymentDoesNotExistException"),
        ("GetDeploymentTarget", json!({"deploymentId": id}), "DeploymentTargetIdRequiredException"),
        (
            "GetDeploymentTarget",
            json!({"deploymentId": id, "targetId": "web"}),
            "DeploymentTargetDoesNotExistException",
        ),
        ("GetDeploymentConfig", json!({"deploymentConfigName": "x"}), "DeploymentConfigDoesNotExistException"),
        ("ListDeployments", json!({"applicationName": super::APPLICATION}), "DeploymentGroupNameRequiredException"),
        (
            "ContinueDeployment",
            json!({"deploymentId": id, "deploymentWaitType": "X"}),
            "InvalidDeploymentWaitTypeException",
        ),
        ("CreateApplication", json!({}), "UnknownOperationException"),
    ];
    for (operation, input, code) in cases {
        assert_eq!(refusal(&mut world, Service::CodeDeploy, operation, input), code, "{operation}");
    }
}
