//! The executor against an agent that follows a script: each poll gets the next page, or a fault.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};

use super::*;
use crate::agent_api::Wanted;
use crate::domain::Reason;
use crate::event::{DeployEvent, Outcome, Stamped};
use crate::failure::Kind;
use crate::plan::AgentSwap;
use crate::signing::AgentKey;

/// What the agent answers to a poll.
enum Poll {
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
struct Script {
    submit: Option<(u16, &'static str)>,
    polls: VecDeque<Poll>,
    cancel: Option<(u16, &'static str)>,
    /// Polls that follow once a cancellation arrived.
    after_cancel: VecDeque<Poll>,
    cancelled: u32,
    submitted: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

const DEPLOYMENT: &str = r#"{"api":1,"id":"d-1","app":"badgery","service":"web","image":
"w@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
const DONE: &str = r#"{"seq":3,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"deployed","message":"release 4 serves","release":4}"#;
const GATE: &str = r#"{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"phase_started","phase":"gate"},
{"seq":2,"at":"2026-01-01T00:00:01Z","kind":"phase_finished","phase":"gate","took_ms":900}"#;
const CANCELLED: &str = r#"{"seq":9,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"cancelled","reason":"cancelled","message":"abandoned; release 3 serves"}"#;

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

struct Run {
    script: Shared,
    client: AgentClient,
    plan: Plan,
    canceller: Canceller,
    cancel: Cancel,
    timeout: Duration,
}

impl Run {
    async fn new(script: Script) -> Self {
        let script = Arc::new(Mutex::new(script));
        let app = Router::new()
            .route("/v1/apps/badgery/services/web/deployments", post(submit))
            .route("/v1/deployments/d-1/events", get(poll))
            .route(
                "/v1/deployments/d-1",
                get(|| async { DEPLOYMENT.replace("\"api\"", "\"outcome\":\"rolled_back\",\"api\"") }),
            )
            .route("/v1/deployments/d-1/cancel", post(cancel))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: crate::domain::AgentUrl = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let swap = AgentSwap {
            url: url.clone(),
            app: "badgery".parse().unwrap(),
            service: "web".parse().unwrap(),
            want: Wanted::Rollback,
            expected_revision: "r-1".into(),
        };
        let (canceller, cancel) = cancel_channel();
        Self {
            script,
            client: AgentClient::new(url, AgentKey::generate("vps-1", "ci").unwrap()).unwrap(),
            plan: Plan { steps: vec![Step::AgentSwap(Box::new(swap))] },
            canceller,
            cancel,
            timeout: Duration::from_secs(30),
        }
    }

    /// Runs the plan; gives its end and the events that were told.
    async fn go(&self) -> (Result<Option<Finish>, Failure>, Vec<Stamped>) {
        let (events, mut reader) = event_channel();
        let mut cx = Context {
            agent: &self.client,
            events,
            cancel: self.cancel.clone(),
            deadline: Instant::now() + self.timeout,
            timeout: self.timeout,
            idempotency_key: "key-12345".parse().unwrap(),
            requested_by: "someone".into(),
            credential: None,
        };
        let result = run(&self.plan, &mut cx).await;
        drop(cx);
        let mut told = Vec::new();
        while let Ok(stamped) = reader.try_recv() {
            told.push(stamped);
        }
        (result, told)
    }

    /// Asks to end after a while, `times` times.
    fn ask_in(&self, span: Duration, times: u32) -> impl Future<Output = ()> {
        async move {
            for _ in 0..times {
                tokio::time::sleep(span).await;
                self.canceller.ask();
            }
            std::future::pending().await
        }
    }

    async fn go_and_ask(&self, times: u32) -> (Result<Option<Finish>, Failure>, Vec<Stamped>) {
        tokio::select! {
            end = self.go() => end,
            () = self.ask_in(Duration::from_millis(300), times) => unreachable!(),
        }
    }
}

fn notes(told: &[Stamped]) -> Vec<&str> {
    told.iter()
        .filter_map(|stamped| if let DeployEvent::Note { text } = &stamped.event { Some(text.as_str()) } else { None })
        .collect()
}

#[tokio::test]
async fn a_deployment_is_followed_to_its_end() {
    // The second page repeats an event: an agent that answers more than was asked for tells nothing twice.
    let twice = r#"{"seq":2,"at":"2026-01-01T00:00:01Z","kind":"phase_finished","phase":"gate","took_ms":900},
{"seq":3,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"deployed","message":"release 4 serves","release":4}"#;
    let run = Run::new(Script { polls: [Poll::Page(GATE), Poll::Page(twice)].into(), ..Script::default() }).await;
    let (end, told) = run.go().await;
    let finish = end.unwrap().unwrap();
    assert_eq!((finish.outcome, finish.to_failure().is_none()), (Outcome::Deployed, true));
    assert_eq!(told.iter().map(|stamped| stamped.seq).collect::<Vec<_>>(), [1, 2, 3]);
    let body = run.script.lock().unwrap().submitted[0].clone();
    assert!(body.contains(r#""expected_revision":"r-1""#) && body.contains("key-12345"), "{body}");
}

#[tokio::test]
async fn a_restarting_agent_is_waited_for() {
    let refused = r#"{"code":"unavailable","message":"the agent is starting"}"#;
    let polls = [
        Poll::Page(GATE),
        Poll::Fault(502, "bad gateway"),
        Poll::Fault(404, "404 page not found"),
        Poll::Fault(503, refused),
        Poll::Page(DONE),
    ];
    let run = Run::new(Script { polls: polls.into(), ..Script::default() }).await;
    let (end, told) = run.go().await;
    assert_eq!(end.unwrap().unwrap().outcome, Outcome::Deployed);
    let notes = notes(&told);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("keeps trying") && notes[1] == "the agent is back", "{notes:?}");
}

#[tokio::test]
async fn a_refusal_is_final() {
    let busy = r#"{"code":"busy","message":"another deployment of `badgery` is running"}"#;
    let run = Run::new(Script { submit: Some((409, busy)), ..Script::default() }).await;
    let failure = run.go().await.0.unwrap_err();
    assert_eq!((failure.kind, failure.reason), (Kind::Busy, Reason::Busy));
    assert_eq!(run.script.lock().unwrap().submitted.len(), 1);

    let gone = r#"{"code":"unknown_deployment","message":"no such deployment"}"#;
    let run = Run::new(Script { polls: [Poll::Fault(404, gone)].into(), ..Script::default() }).await;
    assert_eq!(run.go().await.0.unwrap_err().reason, Reason::UnknownDeployment);
}

#[tokio::test]
async fn an_unknown_outcome_is_no_success() {
    let page = r#"{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"finished","outcome":"teleported","message":"?"}"#;
    let run = Run::new(Script { polls: [Poll::Page(page)].into(), ..Script::default() }).await;
    let failure = run.go().await.0.unwrap().unwrap().to_failure().unwrap();
    assert_eq!(failure.kind, Kind::Stranded);
}

#[tokio::test]
async fn an_end_without_its_event_is_looked_up() {
    let run = Run::new(Script { polls: [Poll::Done].into(), ..Script::default() }).await;
    let failure = run.go().await.0.unwrap().unwrap().to_failure().unwrap();
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::RolledBack, "deployment `d-1` ended as `rolled_back`"));
}

#[tokio::test]
async fn the_first_signal_abandons_before_the_switch() {
    let run = Run::new(Script {
        polls: [Poll::Hold(Duration::from_secs(20))].into(),
        after_cancel: [Poll::Page(CANCELLED)].into(),
        ..Script::default()
    })
    .await;
    let (end, told) = run.go_and_ask(1).await;
    let failure = end.unwrap().unwrap().to_failure().unwrap();
    assert_eq!((failure.kind, failure.message.as_str()), (Kind::Cancelled, "abandoned; release 3 serves"));
    assert_eq!(notes(&told), ["cancelling: the agent abandons the deployment before the switch"]);
    assert_eq!(run.script.lock().unwrap().cancelled, 1);
}

#[tokio::test]
async fn the_first_signal_lets_go_after_the_switch() {
    let run = Run::new(Script {
        polls: [Poll::Hold(Duration::from_secs(20))].into(),
        cancel: Some((409, r#"{"code":"busy","message":"the switch began"}"#)),
        ..Script::default()
    })
    .await;
    let began = Instant::now();
    let failure = run.go_and_ask(1).await.0.unwrap_err();
    assert_eq!(failure.kind, Kind::Cancelled);
    assert!(failure.message.contains("the agent is finishing deployment `d-1`"), "{failure}");
    assert!(began.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn a_deployment_that_ends_well_while_letting_go_is_a_success() {
    let run = Run::new(Script {
        polls: [Poll::Hold(Duration::from_secs(20))].into(),
        cancel: Some((409, r#"{"code":"busy","message":"the switch began"}"#)),
        after_cancel: [Poll::Page(DONE)].into(),
        ..Script::default()
    })
    .await;
    assert_eq!(run.go_and_ask(1).await.0.unwrap().unwrap().outcome, Outcome::Deployed);
}

#[tokio::test]
async fn the_second_signal_leaves_at_once() {
    let polls = [Poll::Hold(Duration::from_secs(20)), Poll::Hold(Duration::from_secs(20))];
    let after_cancel = [Poll::Hold(Duration::from_secs(20))];
    let run = Run::new(Script { polls: polls.into(), after_cancel: after_cancel.into(), ..Script::default() }).await;
    let began = Instant::now();
    let failure = run.go_and_ask(2).await.0.unwrap_err();
    assert_eq!(failure.kind, Kind::Cancelled);
    assert!(failure.message.contains("left deployment `d-1`"), "{failure}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_deadline_says_what_was_left_running() {
    let mut run = Run::new(Script {
        polls: [Poll::Page(r#"{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"phase_started","phase":"gate"}"#)].into(),
        ..Script::default()
    })
    .await;
    run.timeout = Duration::from_secs(1);
    let failure = run.go().await.0.unwrap_err();
    assert_eq!(failure.kind, Kind::TimedOut);
    assert_eq!(
        failure.message,
        "deployment `d-1` did not end within 1.0 s; it is still running in phase `gate`, and the agent finishes it or goes back by itself"
    );
    assert_eq!(run.script.lock().unwrap().cancelled, 0);

    let faults = (0..9).map(|_| Poll::Fault(502, ""));
    let mut run = Run::new(Script { polls: faults.collect(), ..Script::default() }).await;
    run.timeout = Duration::from_secs(1);
    let failure = run.go().await.0.unwrap_err();
    assert!(failure.message.ends_with("the agent has not answered since it was accepted"), "{failure}");
}
