//! Security Token Service: who calls, and keys for a web identity.

use serde_json::{Value, json};

use super::input::{number, text};
use super::names;
use super::request::AwsFault;
use super::world::World;

/// Answers a call.
pub(crate) fn call(world: &mut World, operation: &str, input: &Value) -> Result<Value, AwsFault> {
    match operation {
        "GetCallerIdentity" => Ok(json!({
            "UserId": "AROA1234567890EXAMPLE:ci",
            "Account": names::ACCOUNT,
            "Arn": names::CALLER,
        })),
        "AssumeRoleWithWebIdentity" => assume(world, input),
        _ => Err(AwsFault::new("InvalidAction", "The operation is not known.")),
    }
}

fn assume(world: &mut World, input: &Value) -> Result<Value, AwsFault> {
    let role = text(input, "RoleArn").unwrap_or_default();
    let session = text(input, "RoleSessionName").unwrap_or_default();
    let token = text(input, "WebIdentityToken").unwrap_or_default();
    let Some((_, name)) = role.split_once(":role/") else {
        return Err(AwsFault::new("ValidationError", "RoleArn is invalid"));
    };
    if session.len() < 2 {
        let message = "Value at 'roleSessionName' failed to satisfy constraint: length 2 or more";
        return Err(AwsFault::new("ValidationError", message));
    }
    if token.split('.').count() != 3 {
        let message = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)";
        return Err(AwsFault::new("InvalidIdentityToken", message));
    }
    let seconds = number(input, "DurationSeconds").unwrap_or(3600).min(world.session_seconds);
    let id = format!("AROA{}", world.ids.upper(16));
    Ok(json!({
        "Credentials": {
            "AccessKeyId": format!("ASIA{}", world.ids.upper(16)),
            "SecretAccessKey": "simulated+secret/key+simulated+secret/ke",
            "SessionToken": format!("simulated-session-{}", world.ids.upper(12)),
            "Expiration": world.wall + seconds,
        },
        "SubjectFromWebIdentityToken": "repo:badgery/web:environment:production",
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{id}:{session}"),
            "Arn": format!("arn:aws:sts::{}:assumed-role/{}/{session}", names::ACCOUNT, names::short(name)),
        },
        "Provider": format!("arn:aws:iam::{}:oidc-provider/token.actions.githubusercontent.com", names::ACCOUNT),
        "Audience": "sts.amazonaws.com",
    }))
}
