//! An agent that follows a script.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};

use crate::domain::AgentUrl;

/// What the agent answers to a poll.
pub(super) enum Poll {
    /// These events.
    Page(&'static str),
    /// No events, and none to come.
    Done,
    /// A status and a body that is no page.
    Fault(u16, &'static str),
    /// Nothing for this long, then an empty page.
    Hold(Duration),
}

#[derive(Default)]
pub(super) struct Script {
    pub(super) submit: Option<(u16, &'static str)>,
    pub(super) polls: VecDeque<Poll>,
    pub(super) cancel: Option<(u16, &'static str)>,
    /// Polls that follow once a cancellation arrived.
    pub(super) after_cancel: VecDeque<Poll>,
    pub(super) cancelled: u32,
    pub(super) submitted: Vec<String>,
}

pub(super) type Shared = Arc<Mutex<Script>>;

const DEPLOYMENT: &str = r#"{"api":1,"id":"d-1","app":"badgery","service":"web","image":
"w@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
pub(super) const DONE: &str = r#"{"seq":3,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"deployed","message":"release 4 serves","release":4}"#;
pub(super) const GATE: &str = r#"{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"phase_started","phase":"gate"},
{"seq":2,"at":"2026-01-01T00:00:01Z","kind":"phase_finished","phase":"gate","took_ms":900}"#;
pub(super) const CANCELLED: &str = r#"{"seq":9,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"cancelled","reason":"cancelled","message":"abandoned; release 3 serves"}"#;

async fn submit(State(script): State<Shared>, body: String) -> (StatusCode, String) {
    let mut script = script.lock().unwrap();
    script.submitted.push(body);
    let (status, body) = script.submit.unwrap_or((202, DEPLOYMENT));
    (StatusCode::from_u16(status).unwrap(), body.to_owned())
}

async fn poll(State(script): State<Shared>) -> (StatusCode, String) {
    let next = script.lock().unwrap().polls.pop_front();
    let page = |events: &str| {
        let done = events.contains(r#""kind":"finished""#);
        format!(r#"{{"api":1,"events":[{events}],"done":{done}}}"#)
    };
    match next {
        Some(Poll::Page(events)) => (StatusCode::OK, page(events)),
        Some(Poll::Done) => (StatusCode::OK, r#"{"api":1,"events":[],"done":true}"#.to_owned()),
        Some(Poll::Fault(status, body)) => (StatusCode::from_u16(status).unwrap(), body.to_owned()),
        Some(Poll::Hold(span)) => {
            tokio::time::sleep(span).await;
            (StatusCode::OK, page(""))
        }
        None => (StatusCode::OK, page("")),
    }
}

async fn cancel(State(script): State<Shared>) -> (StatusCode, String) {
    let mut script = script.lock().unwrap();
    script.cancelled += 1;
    let after = std::mem::take(&mut script.after_cancel);
    script.polls = after;
    let (status, body) = script.cancel.unwrap_or((202, DEPLOYMENT));
    (StatusCode::from_u16(status).unwrap(), body.to_owned())
}

/// Starts it on a free port.
pub(super) async fn start(script: Script) -> (Shared, AgentUrl) {
    let script = Arc::new(Mutex::new(script));
    let ended = || async { DEPLOYMENT.replace("\"api\"", "\"outcome\":\"rolled_back\",\"api\"") };
    let app = Router::new()
        .route("/v1/apps/badgery/services/web/deployments", post(submit))
        .route("/v1/deployments/d-1/events", get(poll))
        .route("/v1/deployments/d-1", get(ended))
        .route("/v1/deployments/d-1/cancel", post(cancel))
        .with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (script, url)
}
