//! Variables of the container, set in `deploy.yml`.

use kit::aws::{Shift, World};
use serde_json::json;

use super::Cloud;

fn world() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce)
}

#[test]
fn they_are_part_of_the_revision_and_once_there_nothing_to_do() {
    let cloud = Cloud::with(world(), "environment: {LOG_LEVEL: debug, EMPTY: \"\"}\nsecrets: {TOKEN: /prod/token}");
    let ended = cloud.deploy(&[]).expect(0);
    assert!(ended.output.stdout.contains("with the wanted image, and `EMPTY`, `LOG_LEVEL`, `TOKEN` of deploy.yml"));
    let [registered] = ended.inputs("RegisterTaskDefinition").try_into().expect("one registration");
    let container = &registered["containerDefinitions"][0];
    let has = |list: &str, entry: serde_json::Value| container[list].as_array().is_some_and(|all| all.contains(&entry));
    assert!(has("environment", json!({"name": "LOG_LEVEL", "value": "debug"})), "{container}");
    assert!(has("environment", json!({"name": "EMPTY", "value": ""})), "{container}");
    assert!(has("secrets", json!({"name": "TOKEN", "valueFrom": "/prod/token"})), "{container}");
    let again = cloud.deploy(&[]).expect(0);
    assert_eq!(again.writes(), Vec::<String>::new(), "{}", again.shown());
}

#[test]
fn one_that_looks_like_a_key_is_warned_about_and_never_shown() {
    let cloud = Cloud::with(world(), "environment: {DATABASE_URL: \"postgres://app:hunter2@db.internal/app\"}");
    for arguments in [
        &["plan", "production", "--image", super::IMAGE][..],
        &["plan", "production", "--image", super::IMAGE, "--format", "json"],
    ] {
        let ended = cloud.run(arguments).expect(0);
        let said = format!("{}{}", ended.output.stdout, ended.output.stderr);
        assert!(said.contains("the value of `web.DATABASE_URL` looks like a key"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    let ended = cloud.deploy(&[]).expect(0);
    assert!(!format!("{:?}", ended.output).contains("hunter2"), "{}", ended.shown());
}
