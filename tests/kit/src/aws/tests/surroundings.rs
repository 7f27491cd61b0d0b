//! What lies around a service: its cluster, the registry, the load balancer, CodeDeploy's groups.

use serde_json::json;

use super::{APPLICATION, GROUP, ask, code_deploy, ecs, refusal, world};
use crate::aws::{Fault, Service, Shift};

#[test]
fn services_that_are_not_there() {
    let mut world = world().other_service("worker");
    let shown = ecs(&mut world, "DescribeServices", json!({"cluster": "badgery", "services": ["worker", "api"]}));
    assert_eq!(shown["services"][0]["serviceName"], "worker");
    assert_eq!(shown["failures"][0]["reason"], "MISSING");
    let input = json!({"cluster": "other", "services": ["web"]});
    assert_eq!(refusal(&mut world, Service::Ecs, "DescribeServices", input), "ClusterNotFoundException");
    let arn = "arn:aws:ecs:eu-west-1:111122223333:service/badgery/web";
    let shown = ecs(&mut world, "DescribeServices", json!({"cluster": "badgery", "services": [arn]}));
    assert_eq!(shown["services"][0]["serviceArn"], arn);
    assert_eq!((&shown["services"][0]["runningCount"], &shown["services"][0]["tags"]), (&json!(2), &json!(null)));
}

#[test]
fn the_group_of_a_service_can_be_found() {
    let mut world = world().code_deploy(Shift::Canary { percent: 10, minutes: 5 }).ready_wait(7).server_group();
    let applications = code_deploy(&mut world, "ListApplications", json!({}));
    assert_eq!(applications["applications"], json!([APPLICATION, "AppServer"]));
    let groups = code_deploy(&mut world, "ListDeploymentGroups", json!({"applicationName": APPLICATION}));
    assert_eq!(groups["deploymentGroups"], json!([GROUP]));
    let input = json!({"applicationName": APPLICATION, "deploymentGroupNames": [GROUP, "other"]});
    let shown = code_deploy(&mut world, "BatchGetDeploymentGroups", input);
    assert!(shown["errorMessage"].is_string());
    let group = &shown["deploymentGroupsInfo"][0];
    assert_eq!(group["ecsServices"], json!([{"serviceName": "web", "clusterName": "badgery"}]));
    assert_eq!(group["deploymentConfigName"], "CodeDeployDefault.ECSCanary10Percent5Minutes");
    assert_eq!(
        group["blueGreenDeploymentConfiguration"]["deploymentReadyOption"],
        json!({"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 7})
    );
    let config =
        code_deploy(&mut world, "GetDeploymentConfig", json!({"deploymentConfigName": group["deploymentConfigName"]}));
    assert_eq!(
        config["deploymentConfigInfo"]["trafficRoutingConfig"],
        json!({"type": "TimeBasedCanary", "timeBasedCanary": {"canaryPercentage": 10, "canaryInterval": 5}})
    );
}

#[test]
fn the_registry_is_where_it_is_said_to_be() {
    let digest = format!("sha256:{}", "3".repeat(64));
    let mut world = world().registry("127.0.0.1:5000").image("web", &digest, &["v3"]);
    let repositories =
        ask(&mut world, Service::Ecr, "DescribeRepositories", json!({"repositoryNames": ["web"]})).unwrap();
    assert_eq!(repositories["repositories"][0]["repositoryUri"], "127.0.0.1:5000/web");
    let token = ask(&mut world, Service::Ecr, "GetAuthorizationToken", json!({})).unwrap();
    assert_eq!(token["authorizationData"][0]["proxyEndpoint"], "http://127.0.0.1:5000");
    let input = json!({"repositoryName": "web", "imageIds": [{"imageTag": "v3"}]});
    let images = ask(&mut world, Service::Ecr, "DescribeImages", input).unwrap();
    assert_eq!(images["imageDetails"][0]["imageDigest"], digest);
    let cases = [
        (
            "DescribeImages",
            json!({"repositoryName": "web", "imageIds": [{"imageTag": "v4"}]}),
            "ImageNotFoundException",
        ),
        ("DescribeRepositories", json!({"repositoryNames": ["api"]}), "RepositoryNotFoundException"),
        ("CreateRepository", json!({"repositoryName": "web"}), "RepositoryAlreadyExistsException"),
        ("CreateRepository", json!({"repositoryName": "WEB"}), "InvalidParameterException"),
    ];
    for (operation, input, code) in cases {
        assert_eq!(refusal(&mut world, Service::Ecr, operation, input), code);
    }
    ask(&mut world, Service::Ecr, "CreateRepository", json!({"repositoryName": "team/api"})).unwrap();
}

#[test]
fn the_listener_shows_who_gets_the_traffic() {
    let mut world = world().code_deploy(Shift::Canary { percent: 10, minutes: 5 }).test_listener();
    let id = super::deploy(&mut world);
    while super::look(&mut world, &id)["status"] != "InProgress" {}
    super::reach(&mut world, &id, "AllowTraffic");
    let listeners = ask(&mut world, Service::LoadBalancing, "DescribeListeners", json!({})).unwrap();
    let weights = |listener: usize| {
        let groups = &listeners["Listeners"][listener]["DefaultActions"][0]["ForwardConfig"]["TargetGroups"];
        (groups[0]["Weight"].as_u64().unwrap(), groups[1]["Weight"].as_u64().unwrap())
    };
    assert_eq!((weights(0), weights(1)), ((90, 10), (0, 100)));
    let listener = listeners["Listeners"][0]["ListenerArn"].clone();
    let rules = ask(&mut world, Service::LoadBalancing, "DescribeRules", json!({"ListenerArn": listener})).unwrap();
    let defaults: Vec<bool> = rules["Rules"].as_array().unwrap().iter().map(|rule| rule["IsDefault"] == true).collect();
    assert_eq!(defaults, [false, true]);
    let input = json!({"TargetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/x/1"});
    assert_eq!(refusal(&mut world, Service::LoadBalancing, "DescribeTargetHealth", input), "TargetGroupNotFound");
}

#[test]
fn what_goes_wrong_after_a_call_goes_right_before_it() {
    let later = Fault::After("ecs:ListTasks", Box::new(Fault::Denied("ecs:DescribeServices")));
    let mut world = world().fault(later);
    let input = || json!({"cluster": "badgery", "services": ["web"]});
    ecs(&mut world, "DescribeServices", input());
    let listed = || json!({"cluster": "badgery"});
    ecs(&mut world, "ListTasks", listed());
    assert_eq!(refusal(&mut world, Service::Ecs, "DescribeServices", input()), "AccessDeniedException");
    ecs(&mut world, "ListTasks", listed());
    assert_eq!(world.faults.len(), 1);
}
