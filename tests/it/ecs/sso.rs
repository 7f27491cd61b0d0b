//! A laptop whose profile signs in through IAM Identity Center: the token that `aws sso login` left is turned into keys.

use std::fs;
use std::sync::{Arc, Mutex};

use kit::aws::{Breaker, World};
use serde_json::{Value, json};

use super::{Cloud, Ended, IMAGE};
use crate::hostile::scripted::{Scripted, whole};

const CONFIG: &str = "[profile laptop]\nsso_session = dev\nsso_account_id = 111122223333\nsso_role_name = Deployer\nregion = eu-west-1\n\
                      [sso-session dev]\nsso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n";
/// Where `aws sso login` keeps the token of the session `dev`: the SHA-1 of its name.
const TOKEN_FILE: &str = "34c6fceca75e456f25e7e99531e2425c6c1de443.json";

/// Runs a deployment with a token that is good until then; gives what the portal was asked, too.
fn deployed(until: &str) -> (Ended, Vec<String>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let portal = Scripted::new(move |call| {
        heard.lock().expect("no panic while it is held").push(call.head.clone());
        let keys = json!({
            "accessKeyId": "ASIASIGNEDIN",
            "secretAccessKey": "canary-secret",
            "sessionToken": "canary-session",
            "expiration": 4_070_908_800_000_u64,
        });
        whole("200 OK", "Content-Type: application/json\r\n", &json!({"roleCredentials": keys}).to_string())
    });
    let ended = as_profile(CONFIG, Some((until, json!({}))), portal);
    let asked = asked.lock().expect("no panic while it is held").clone();
    (ended, asked)
}

/// Runs a deployment as the profile of this configuration, with what a sign-in left: until when it is good, and further
/// members of its file.
fn as_profile(config: &str, token: Option<(&str, Value)>, portal: Scripted) -> Ended {
    let cloud = Cloud::of(World::fargate("badgery", "web").rolling(Breaker::Rollback));
    let cache = cloud.folder().join(".aws/sso/cache");
    fs::create_dir_all(&cache).expect("a folder");
    if let Some((until, mut token)) = token {
        token["accessToken"] = "canary-token".into();
        token["expiresAt"] = until.into();
        token["region"] = "eu-west-1".into();
        token["startUrl"] = "https://acme.awsapps.com/start".into();
        fs::write(cache.join(TOKEN_FILE), token.to_string()).expect("writes");
    }
    fs::write(cloud.folder().join(".aws/config"), config).expect("writes");
    let mut command = cloud.command(&["deploy", "production", "--image", IMAGE]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY").env("AWS_PROFILE", "laptop");
    let portal = format!("http://{}", portal.address);
    command.env("AWS_ENDPOINT_URL_SSO", &portal).env("AWS_ENDPOINT_URL_SSO_OIDC", &portal);
    cloud.ended(&mut command)
}

#[test]
fn the_token_of_a_sign_in_is_turned_into_keys() {
    let (ended, asked) = deployed("2099-01-01T00:00:00Z");
    let ended = ended.expect(0);
    let [head] = asked.as_slice() else { panic!("the portal is asked once: {asked:?}") };
    let line = head.lines().next().unwrap_or_default();
    for part in ["GET /federation/credentials?", "role_name=Deployer", "account_id=111122223333"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(head.to_ascii_lowercase().contains("x-amz-sso_bearer_token: canary-token"), "{head}");
    assert!(ended.said.iter().all(|call| call.access_key.as_deref() == Some("ASIASIGNEDIN")), "{}", ended.shown());
    assert!(!ended.shown().contains("canary"), "{}", ended.shown());
}

#[test]
fn a_sign_in_that_ran_out_is_told_with_what_renews_it() {
    let (ended, asked) = deployed("2020-01-01T00:00:00Z");
    let ended = ended.expect(13);
    assert!(asked.is_empty() && ended.said.is_empty(), "{asked:?}");
    insta::assert_snapshot!("sign_in_ran_out", ended.shown());
}

#[test]
fn one_that_the_portal_does_not_know_any_more_and_one_that_never_was_are_told_so_too() {
    let refusing = || {
        Scripted::new(|_| {
            let refused = "Content-Type: application/json\r\nx-amzn-ErrorType: UnauthorizedException\r\n";
            whole("401 Unauthorized", refused, r#"{"message": "Session token not found or invalid"}"#)
        })
    };
    let renewable = json!({"clientId": "id", "clientSecret": "canary-secret", "refreshToken": "canary-refresh", "registrationExpiresAt": "2099-01-01T00:00:00Z"});
    let old = "[profile laptop]\nsso_account_id = 111122223333\nsso_role_name = Deployer\nregion = eu-west-1\n\
               sso_region = eu-west-1\nsso_start_url = https://acme.awsapps.com/start\n";
    for (what, config, token) in [
        ("renewable", CONFIG, Some(("2020-01-01T00:00:00Z", renewable))),
        ("taken back", CONFIG, Some(("2099-01-01T00:00:00Z", json!({})))),
        ("never signed in", CONFIG, None),
        ("never signed in, without a session", old, None),
    ] {
        let ended = as_profile(config, token, refusing()).expect(13);
        let said = &ended.output.stderr;
        assert!(said.contains("hint: run `aws sso login` for this profile"), "{what}: {said}");
        assert!(!said.contains("canary"), "{what}: {said}");
    }
}
