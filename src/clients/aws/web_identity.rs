//! A role that is taken on with GitHub's word for this job. Each search for credentials asks GitHub for a new token and
//! AWS for new keys, so a run may wait longer than either lives.

use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::{Value, json};

use super::error::{AwsError, Trouble};
use crate::domain::{Reason, RoleArn, Secret, one_line};
use crate::failure::{Failure, Kind};

/// Who issues it.
const ISSUER: &str = "token.actions.githubusercontent.com";
/// Longest wait for it.
const WAIT: Duration = Duration::from_secs(10);
/// How often it is asked for, and for how long: the SDK gives a search for keys 30 s.
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(15);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Largest answer that is read, in bytes.
const MOST: usize = 64 * 1024;
/// Longest text of others' that is repeated, in characters.
const SHOWN: usize = 300;

/// The role, and where GitHub gives its word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// The role.
    pub role: RoleArn,
    /// For whom the token is; usually `sts.amazonaws.com`.
    pub audience: String,
    /// How the session is called in AWS's logs: 2 to 64 letters, digits and `+=,.@-_`.
    pub session: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub url: String,
    /// `ACTIONS_ID_TOKEN_REQUEST_TOKEN`.
    pub token: Secret<String>,
}

/// Gives the role's keys to the SDK.
#[derive(Debug)]
pub(super) struct Assumed {
    identity: WebIdentity,
    sts: aws_sdk_sts::Client,
    /// Pause before GitHub is asked for the second time; it doubles from time to time.
    backoff: Duration,
}

impl Assumed {
    /// Takes nothing on yet.
    pub(super) fn new(identity: WebIdentity, sdk: &SdkConfig, backoff: Duration) -> Self {
        Self { identity, sts: aws_sdk_sts::Client::new(sdk), backoff }
    }

    /// Takes the role on. What is wrong with it is told as such, which the SDK would not.
    pub(super) async fn keys(&self) -> Result<Credentials, Failure> {
        let token = self.word().await?;
        let call = self.sts.assume_role_with_web_identity().role_arn(self.identity.role.as_str());
        let call = call.role_session_name(&self.identity.session).web_identity_token(token.expose());
        let answer = call.send().await.map_err(|error| {
            let error = AwsError::of("sts:AssumeRoleWithWebIdentity", error);
            match error.trouble {
                Trouble::Denied | Trouble::Refused => denied(&self.identity.role, &token, &error),
                _ => error.to_failure(),
            }
        })?;
        let missing = || Failure::new(Reason::AwsCredentials, "AWS took the token and gave no keys");
        let keys = answer.credentials.ok_or_else(missing)?;
        let expiry = keys.expiration.try_into().ok();
        let session = Some(keys.session_token);
        Ok(Credentials::new(keys.access_key_id, keys.secret_access_key, session, expiry, "web identity of the job"))
    }
}

impl Assumed {
    /// GitHub's word, asked for again while it has trouble that passes.
    async fn word(&self) -> Result<Secret<String>, Failure> {
        let begun = Instant::now();
        let mut pause = self.backoff;
        let mut tries = 0;
        loop {
            tries += 1;
            match word(&self.identity).await {
                Ok(word) => return Ok(word),
                Err(NoWord { passes: true, .. }) if tries < TRIES && begun.elapsed() < PATIENCE => {}
                Err(NoWord { why, .. }) => {
                    let message = format!("GitHub gave this job no token for AWS: {why}");
                    return Err(Failure::new(Reason::AwsCredentials, message)
                        .hint("run the job again; githubstatus.com says whether GitHub has trouble"));
                }
            }
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
    }
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            self.keys().await.map_err(|failure| CredentialsError::provider_error(failure.to_string()))
        })
    }
}

/// Why GitHub gave no word: in a sentence, and whether it may give one when it is asked again.
struct NoWord {
    why: String,
    passes: bool,
}

/// GitHub's word for this job, for AWS.
async fn word(identity: &WebIdentity) -> Result<Secret<String>, NoWord> {
    let failed = |why: String| NoWord { why, passes: false };
    let passing = |error: reqwest::Error| NoWord { why: crate::failure::innermost(&error.without_url()), passes: true };
    let url = reqwest::Url::parse_with_params(&identity.url, [("audience", &identity.audience)]);
    let url = url.map_err(|_| failed("the runner's address for it is none".to_owned()))?;
    let client = reqwest::Client::builder().timeout(WAIT).redirect(reqwest::redirect::Policy::none()).build();
    let client = client.map_err(|error| failed(crate::failure::innermost(&error)))?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", identity.token.expose()))
        .map_err(|_| failed("the runner's own token is no header".to_owned()))?;
    bearer.set_sensitive(true);
    let mut answer = client.get(url).header(AUTHORIZATION, bearer).send().await.map_err(passing)?;
    if !answer.status().is_success() {
        let passes = answer.status().is_server_error() || answer.status() == StatusCode::TOO_MANY_REQUESTS;
        return Err(NoWord { why: format!("it answered {}", answer.status()), passes });
    }
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(passing)? {
        body.extend_from_slice(&chunk);
        if body.len() > MOST {
            return Err(failed("its answer is too long".to_owned()));
        }
    }
    let value: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = value["value"].as_str().ok_or_else(|| failed("its answer holds none".to_owned()))?;
    Ok(Secret::new(token.to_owned()))
}

/// AWS's refusal with what the token says, and the condition under which it would be taken. The token is not shown.
fn denied(role: &RoleArn, token: &Secret<String>, error: &AwsError) -> Failure {
    let code = error.code.as_deref().unwrap_or("no code");
    let message = one_line(&error.message, SHOWN);
    let failure = Failure::new(
        Reason::AwsCredentials,
        format!("AWS does not let this job take on the role `{role}` ({code}): {message}"),
    )
    .kind(Kind::Preflight);
    let Some(Claims { sub, aud, ids }) = claims(token.expose()) else {
        return failure.hint("GitHub's token cannot be read; run the job again");
    };
    let condition =
        |sub: &str| json!({"StringEquals": {format!("{ISSUER}:aud"): aud, format!("{ISSUER}:sub"): sub}}).to_string();
    let other = match (classic(&sub), ids.and_then(|(owner, repository)| immutable(&sub, &owner, &repository))) {
        (Some(classic), _) => format!(
            " (a policy from before GitHub's subjects had ids in them names `{classic}`, which does not match any more)"
        ),
        (None, Some(immutable)) => format!(
            " (once this repository is renamed, GitHub's subjects have ids in them: then with the condition {})",
            condition(&immutable)
        ),
        (None, None) => String::new(),
    };
    failure.hint(format!(
        "the token's sub is `{sub}` and its aud is `{aud}`: the role must exist, and its trust policy must allow \
         `sts:AssumeRoleWithWebIdentity` to the identity provider {ISSUER} with the condition {}{other}",
        condition(&sub)
    ))
}

/// What a token says of a job.
struct Claims {
    sub: String,
    aud: String,
    /// Of owner and repository.
    ids: Option<(String, String)>,
}

fn claims(token: &str) -> Option<Claims> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    let aud = claims["aud"].as_str().or(claims["aud"][0].as_str())?;
    let id = |name: &str| claims[name].as_str().filter(|id| is_id(id)).map(str::to_owned);
    let ids = id("repository_owner_id").zip(id("repository_id"));
    Some(Claims { sub: one_line(claims["sub"].as_str()?, SHOWN), aud: one_line(aud, SHOWN), ids })
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `repo:acme@12/web@34:environment:production` as it would have been without ids (GitHub, immutable subject claims).
fn classic(sub: &str) -> Option<String> {
    let (owner, name, context) = parts(sub)?;
    let ((owner, owner_id), (name, name_id)) = (owner.split_once('@')?, name.split_once('@')?);
    (is_id(owner_id) && is_id(name_id)).then(|| format!("repo:{owner}/{name}:{context}"))
}

/// `repo:acme/web:environment:production` with the ids of its owner and of the repository.
fn immutable(sub: &str, owner_id: &str, repository_id: &str) -> Option<String> {
    let (owner, name, context) = parts(sub)?;
    let without = !owner.contains('@') && !name.contains('@');
    without.then(|| format!("repo:{owner}@{owner_id}/{name}@{repository_id}:{context}"))
}

/// Owner, name and the rest of `repo:owner/name:rest`.
fn parts(sub: &str) -> Option<(&str, &str, &str)> {
    let (repository, context) = sub.strip_prefix("repo:")?.split_once(':')?;
    let (owner, name) = repository.split_once('/')?;
    Some((owner, name, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(sub: &str) -> Secret<String> {
        let ids = json!({"sub": sub, "aud": "sts.amazonaws.com", "repository_owner_id": "12", "repository_id": "34"});
        let payload = ids.to_string();
        Secret::new(format!("head.{}.canary", URL_SAFE_NO_PAD.encode(payload)))
    }

    fn told(sub: &str) -> String {
        let role = "arn:aws:iam::111122223333:role/deploy".parse().unwrap();
        let message = "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned();
        let code = Some("AccessDenied".to_owned());
        let error = AwsError { call: "sts:AssumeRoleWithWebIdentity", trouble: Trouble::Denied, code, message };
        denied(&role, &token(sub), &error).render()
    }

    #[test]
    fn a_refusal_tells_the_condition_that_would_match_and_never_the_token() {
        let told = ["repo:acme/web:environment:production", "repo:acme@12/web@34:ref:refs/heads/main"].map(told);
        assert!(!told.concat().contains("canary"), "{told:?}");
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn a_subject_has_a_form_with_ids_and_one_without() {
        assert_eq!(classic("repo:a@1/b@22:environment:x:y").as_deref(), Some("repo:a/b:environment:x:y"));
        for sub in ["", "repo:a/b:environment:x", "repo:a@x/b@1:ref:r", "repo:a@1/b:ref:r", "repo:a@1/b@2"] {
            assert_eq!(classic(sub), None, "{sub}");
        }
        let with_ids = |sub| immutable(sub, "1", "22");
        assert_eq!(with_ids("repo:a/b:environment:x:y").as_deref(), Some("repo:a@1/b@22:environment:x:y"));
        for sub in ["", "repo:a@1/b@2:ref:r", "enterprise:x:repo:a/b:ref:r", "repo:a/b"] {
            assert_eq!(with_ids(sub), None, "{sub}");
        }
    }
}
