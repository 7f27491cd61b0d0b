//! Task definitions.

use serde_json::{Value, json};

use super::{ecs, next_definition, refusal, world};
use crate::aws::Service;

#[test]
fn a_definition_is_kept_whole_and_gets_the_defaults() {
    let mut world = world();
    let mut definition = next_definition(&mut world);
    definition["someNewMember"] = json!({"deep": [1, 2.5, "x"]});
    definition["pidMode"] = json!(null);
    definition["cpu"] = json!(".25 vCPU");
    definition["memory"] = json!("1 GB");
    definition["containerDefinitions"] = json!([{
        "name": "web",
        "image": "web",
        "portMappings": [{"containerPort": 8080}],
        "anotherNewMember": true,
    }]);
    definition["tags"] = json!([{"key": "team", "value": "badgery"}]);
    let registered = ecs(&mut world, "RegisterTaskDefinition", definition);
    let shown = &registered["taskDefinition"];
    let expected = json!([{
        "name": "web",
        "image": "web",
        "anotherNewMember": true,
        "cpu": 0,
        "essential": true,
        "environment": [],
        "mountPoints": [],
        "volumesFrom": [],
        "systemControls": [],
        "portMappings": [{"containerPort": 8080, "hostPort": 8080, "protocol": "tcp"}],
    }]);
    assert_eq!(shown["containerDefinitions"], expected);
    assert_eq!(shown["someNewMember"], json!({"deep": [1, 2.5, "x"]}));
    assert_eq!((&shown["cpu"], &shown["memory"]), (&json!("256"), &json!("1024")));
    assert_eq!((&shown["revision"], &shown["status"]), (&json!(2), &json!("ACTIVE")));
    assert!(shown.get("pidMode").is_none() && shown.get("tags").is_none());
    let described = ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": "web:2", "include": ["TAGS"]}));
    assert_eq!(described, registered);
}

#[test]
fn what_is_not_registered() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 12] = [
        ("no family", |definition| definition["family"] = json!("")),
        ("a strange family", |definition| definition["family"] = json!("a b")),
        ("empty tags", |definition| definition["tags"] = json!([])),
        ("a described member", |definition| definition["revision"] = json!(3)),
        ("the newest described member", |definition| definition["deleteRequestedAt"] = json!(3)),
        ("no containers", |definition| definition["containerDefinitions"] = json!([])),
        ("no name", |definition| definition["containerDefinitions"][0]["name"] = json!("")),
        ("no image", |definition| definition["containerDefinitions"][0]["image"] = json!("")),
        ("nothing essential", |definition| definition["containerDefinitions"][0]["essential"] = json!(false)),
        ("no such size", |definition| definition["memory"] = json!("4096")),
        ("no memory", |definition| definition["memory"] = json!(null)),
        ("another network", |definition| definition["networkMode"] = json!("bridge")),
    ];
    let mut world = world();
    for (what, change) in cases {
        let mut definition = next_definition(&mut world);
        change(&mut definition);
        assert_eq!(
            refusal(&mut world, Service::Ecs, "RegisterTaskDefinition", definition),
            "ClientException",
            "{what}"
        );
    }
    assert_eq!(world.definitions().len(), 1);
}

#[test]
fn a_family_is_its_latest_active_revision() {
    let mut world = world();
    let second = super::register(&mut world);
    let third = super::register(&mut world);
    ecs(&mut world, "DeregisterTaskDefinition", json!({"taskDefinition": third}));
    let described = ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": "web"}));
    assert_eq!(described["taskDefinition"]["taskDefinitionArn"], second);
    let inactive = ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": third}));
    assert_eq!(inactive["taskDefinition"]["status"], "INACTIVE");
    let listed =
        ecs(&mut world, "ListTaskDefinitions", json!({"familyPrefix": "web", "sort": "DESC", "maxResults": 1}));
    assert_eq!((&listed["taskDefinitionArns"], &listed["nextToken"]), (&json!([second]), &json!("1")));
    let input = json!({"cluster": "badgery", "service": "web", "taskDefinition": third});
    assert_eq!(refusal(&mut world, Service::Ecs, "UpdateService", input), "ClientException");
}

#[test]
fn tags_are_beside_the_definition() {
    let mut world = world();
    let arn = world.definitions()[0].clone();
    ecs(&mut world, "TagResource", json!({"resourceArn": arn, "tags": [{"key": "team", "value": "other"}]}));
    let listed = ecs(&mut world, "ListTagsForResource", json!({"resourceArn": arn}));
    assert_eq!(listed, json!({"tags": [{"key": "team", "value": "other"}]}));
    let described = ecs(&mut world, "DescribeTaskDefinition", json!({"taskDefinition": "web"}));
    assert!(described.get("tags").is_none());
}
