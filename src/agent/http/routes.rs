//! From a checked request to an answer. Whatever is not listed does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use serde::Serialize;

use super::auth::Caller;
use crate::agent::app::{App, refusal};
use crate::agent_api::{API, ApiError, DeployRequest, Events, History, MAX_WAIT};
use crate::domain::{AppName, DeploymentId, ImageRef, Reason, ServiceName, one_line};

/// This agent's version.
const OWN: &str = env!("CARGO_PKG_VERSION");

fn version() -> Option<String> {
    Some(OWN.to_owned())
}

/// A status and a JSON body.
pub(super) type Answer = (StatusCode, Vec<u8>);

/// The applications behind the door.
#[derive(Debug, Clone)]
pub struct Routes {
    /// Those that are served.
    pub apps: Vec<Arc<App>>,
    /// Those that are not, with the answer to whoever asks for one.
    pub closed: BTreeMap<AppName, ApiError>,
}

fn json(status: StatusCode, body: &impl Serialize) -> Answer {
    (status, serde_json::to_vec(body).unwrap_or_default())
}

/// The HTTP status that carries a reason.
pub(super) fn refused(error: &ApiError) -> Answer {
    let status = match error.code {
        Reason::SignatureInvalid | Reason::Replayed | Reason::ClockSkew => StatusCode::UNAUTHORIZED,
        Reason::Forbidden | Reason::ImageNotAllowed => StatusCode::FORBIDDEN,
        Reason::UnknownService | Reason::UnknownDeployment => StatusCode::NOT_FOUND,
        Reason::Busy | Reason::ChangedUnderneath => StatusCode::CONFLICT,
        Reason::BadRequest | Reason::ApiTooNew => StatusCode::BAD_REQUEST,
        Reason::Blocked | Reason::NoEarlierRelease => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(status, error)
}

impl Routes {
    /// Answers one request. `path` is without the base path.
    pub(super) async fn answer(&self, caller: &Caller, method: &str, path: &str, query: &str, body: &[u8]) -> Answer {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let result = match (method, segments.as_slice()) {
            ("GET", ["v1", "apps", app, "services", service]) => self.status(caller, app, service, query).await,
            ("GET", ["v1", "apps", app, "services", service, "history"]) => self.history(caller, app, service).await,
            ("POST", ["v1", "apps", app, "services", service, "deployments"]) => {
                self.submit(caller, app, service, body).await
            }
            ("GET", ["v1", "deployments", id]) => self.deployment(caller, id).await,
            ("GET", ["v1", "deployments", id, "events"]) => self.events(caller, id, query).await,
            ("POST", ["v1", "deployments", id, "cancel"]) => self.cancel(caller, id).await,
            _ => {
                let unknown = refusal(
                    Reason::BadRequest,
                    format!("this agent (version {OWN}) has no {method} {}", one_line(path, 200)),
                    "update the older of the two: the agent on its host, or deploy-action where it runs",
                );
                return json(StatusCode::NOT_FOUND, &unknown);
            }
        };
        result.unwrap_or_else(|error| refused(&error))
    }

    fn find(&self, caller: &Caller, app: &str, service: &str) -> Result<(Arc<App>, ServiceName), ApiError> {
        let bad = |error: crate::domain::NameError| {
            refusal(Reason::BadRequest, error.to_string(), "check the names in deploy.yml")
        };
        let app: AppName = app.parse().map_err(bad)?;
        let service = service.parse().map_err(bad)?;
        caller.authorize(&app)?;
        if let Some(why) = self.closed.get(&app) {
            return Err(why.clone());
        }
        let found = self.apps.iter().find(|known| known.site.app == app).cloned();
        // A key is only ever for applications of this agent, so this is a configuration that changed meanwhile.
        let found = found.ok_or_else(|| {
            refusal(
                Reason::UnknownService,
                format!("this agent manages no application `{app}`"),
                "add it to agent.yml on the host",
            )
        })?;
        Ok((found, service))
    }

    async fn status(&self, caller: &Caller, app: &str, service: &str, query: &str) -> Result<Answer, ApiError> {
        let (app, service) = self.find(caller, app, service)?;
        let image = match parameter(query, "image") {
            Some(text) => Some(
                text.parse::<ImageRef>()
                    .map_err(|error| refusal(Reason::BadRequest, error.to_string(), "name the image by digest"))?,
            ),
            None => None,
        };
        let status = app.status(&service, image.as_ref(), parameter(query, "rollback").is_some()).await?;
        Ok(json(StatusCode::OK, &status))
    }

    async fn history(&self, caller: &Caller, app: &str, service: &str) -> Result<Answer, ApiError> {
        let (app, service) = self.find(caller, app, service)?;
        let (entries, releases) = app.history(&service).await?;
        Ok(json(StatusCode::OK, &History { api: API, entries, releases, agent_version: version() }))
    }

    async fn submit(&self, caller: &Caller, app: &str, service: &str, body: &[u8]) -> Result<Answer, ApiError> {
        let (app, service) = self.find(caller, app, service)?;
        let request = read_request(body)?;
        let deployment = app.submit(&service, request).await?;
        let status = if deployment.replay { StatusCode::OK } else { StatusCode::ACCEPTED };
        Ok(json(status, &deployment))
    }

    /// The application that has a deployment, among those that the caller may see.
    async fn owner(&self, caller: &Caller, id: &str) -> Result<(Arc<App>, DeploymentId), ApiError> {
        let unknown = || {
            let id = one_line(id, 70);
            refusal(
                Reason::UnknownDeployment,
                format!("there is no deployment `{id}`"),
                "`deploy-action history` lists the last ones",
            )
        };
        let id: DeploymentId = id.parse().map_err(|_| unknown())?;
        for app in self.apps.iter().filter(|app| caller.may(&app.site.app)) {
            if app.deployment(&id).await.is_some() {
                return Ok((app.clone(), id));
            }
        }
        // It may be one of an application that nobody can read.
        let mut closed = self.closed.iter().filter(|(app, _)| caller.may(app));
        Err(closed.next().map_or_else(unknown, |(_, why)| why.clone()))
    }

    async fn deployment(&self, caller: &Caller, id: &str) -> Result<Answer, ApiError> {
        let (app, id) = self.owner(caller, id).await?;
        Ok(json(StatusCode::OK, &app.deployment(&id).await))
    }

    async fn events(&self, caller: &Caller, id: &str, query: &str) -> Result<Answer, ApiError> {
        let (app, id) = self.owner(caller, id).await?;
        let number = |name| parameter(query, name).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
        let wait = Duration::from_secs(number("wait").min(MAX_WAIT));
        let (events, done) = app.events(&id, number("after"), wait).await.unwrap_or_default();
        Ok(json(StatusCode::OK, &Events { api: API, events, done, agent_version: version() }))
    }

    async fn cancel(&self, caller: &Caller, id: &str) -> Result<Answer, ApiError> {
        let (app, id) = self.owner(caller, id).await?;
        match app.cancel(&id).await {
            Some(result) => result.map(|deployment| json(StatusCode::ACCEPTED, &deployment)),
            None => Err(refusal(
                Reason::UnknownDeployment,
                format!("there is no deployment `{id}`"),
                "it was forgotten meanwhile",
            )),
        }
    }
}

/// Reads a body whose members of a newer minor version are tolerated and whose newer `api` is refused before the rest.
///
/// # Errors
/// It is no JSON of that form, or of a newer API.
pub fn read_request(body: &[u8]) -> Result<DeployRequest, ApiError> {
    #[derive(serde::Deserialize)]
    struct Version {
        api: u32,
        #[serde(default)]
        version: Option<String>,
    }
    let bad = |error: serde_json::Error, caller: Option<&str>| {
        let caller = caller.map(|version| format!(" of deploy-action {}", one_line(version, 40))).unwrap_or_default();
        refusal(
            Reason::BadRequest,
            // It may repeat what is in the body.
            format!(
                "the body{caller} cannot be read by this agent (version {OWN}): {}",
                one_line(&error.to_string(), 300)
            ),
            "update the older of the two: the agent on its host, or deploy-action where it runs",
        )
    };
    let version: Version = serde_json::from_slice(body).map_err(|error| bad(error, None))?;
    let caller = version.version.as_deref();
    if version.api > API {
        return Err(refusal(
            Reason::ApiTooNew,
            format!(
                "the request{} speaks api {}, this agent (version {OWN}) speaks {API}",
                caller.map(|version| format!(" of deploy-action {}", one_line(version, 40))).unwrap_or_default(),
                version.api,
            ),
            "update the agent on the host",
        ));
    }
    serde_json::from_slice(body).map_err(|error| bad(error, caller))
}

/// A query parameter, percent-decoded.
fn parameter(query: &str, name: &str) -> Option<String> {
    let pair = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name));
    pair.map(|(_, value)| decode(value))
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%')
            .then(|| std::str::from_utf8(tail.get(..2)?).ok().and_then(|hex| u8::from_str_radix(hex, 16).ok()))
            .flatten();
        bytes.push(hex.unwrap_or(*first));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter("a=1&image=r%2Fw%40sha256%3A0", "image").as_deref(), Some("r/w@sha256:0"));
        assert_eq!(parameter("image=%zz%4", "image").as_deref(), Some("%zz%4"));
        assert_eq!(parameter("images=1", "image"), None);
    }

    #[test]
    fn a_newer_api_is_refused_and_newer_members_are_not() {
        let code = |body: &str| read_request(body.as_bytes()).map(|_| ()).map_err(|error| error.code);
        let want = r#""idempotency_key":"12345678","want":"rollback""#;
        assert_eq!(code(&format!(r#"{{"api":1,{want},"invented":{{"later":true}}}}"#)), Ok(()));
        assert_eq!(code(&format!(r#"{{"api":2,{want}}}"#)), Err(Reason::ApiTooNew));
        assert_eq!(code(r#"{"api":2,"want":{"teleport":1}}"#), Err(Reason::ApiTooNew));
        for bad in ["", "{", "[]", r#"{"api":1}"#, r#"{"api":1,"idempotency_key":"short","want":"rollback"}"#] {
            assert_eq!(code(bad), Err(Reason::BadRequest), "{bad}");
        }
        let hostile =
            format!("{{\"api\":1,\"idempotency_key\":\"\u{7f}\u{202e}{}\",\"want\":\"rollback\"}}", "x".repeat(9_999));
        let told = read_request(hostile.as_bytes()).expect_err("no key").message;
        assert!(told.chars().all(|c| !c.is_control() && c != '\u{202e}') && told.chars().count() < 400, "{told}");
    }
}
