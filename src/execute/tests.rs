//! The executor against an agent that follows a script: each poll gets the next page, or a fault.

mod script;

use super::*;
use crate::agent_api::Wanted;
use crate::domain::Reason;
use crate::event::{DeployEvent, Outcome, Stamped};
use crate::failure::Kind;
use crate::plan::AgentSwap;
use crate::signing::AgentKey;
use script::{CANCELLED, DONE, GATE, Poll, Script, Shared, start};

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
        let (script, url) = start(script).await;
        let swap = AgentSwap {
            before_deploy: None,
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
            plan: Plan { steps: vec![Step::AgentSwap(Box::new(swap))], left_held: None },
            canceller,
            cancel,
            timeout: Duration::from_secs(30),
        }
    }

    /// Runs the plan; gives its end and the events that were told.
    async fn go(&self) -> (Result<Option<Finish>, Failure>, Vec<Stamped>) {
        let (events, mut reader) = event_channel();
        let mut cx = Context {
            remote: Remote::Agent(&self.client),
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

    /// Asks to end `times` times, after 300 ms each.
    async fn go_and_ask(&self, times: u32) -> (Result<Option<Finish>, Failure>, Vec<Stamped>) {
        let ask = async {
            for _ in 0..times {
                tokio::time::sleep(Duration::from_millis(300)).await;
                self.canceller.ask();
            }
            std::future::pending().await
        };
        tokio::select! {
            end = self.go() => end,
            () = ask => unreachable!(),
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
    assert_eq!(told.iter().map(|stamped| stamped.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let body = run.script.lock().unwrap().submitted[0].clone();
    assert!(body.contains(r#""expected_revision":"r-1""#) && body.contains("key-12345"), "{body}");
}

#[tokio::test]
async fn a_known_key_joins_its_deployment() {
    let replay = r#"{"api":1,"id":"d-1","app":"badgery","service":"web","replay":true,"phase":"verify","image":
"w@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;
    let script = Script { submit: Some((200, replay)), polls: [Poll::Page(DONE)].into(), ..Script::default() };
    let (end, told) = Run::new(script).await.go().await;
    assert_eq!(end.unwrap().unwrap().outcome, Outcome::Deployed);
    assert!(notes(&told)[0].contains("nothing is started anew"), "{told:?}");
}

/// The deployments that were told as accepted.
fn accepted(told: &[Stamped]) -> Vec<String> {
    let id = |stamped: &Stamped| match &stamped.event {
        DeployEvent::Accepted { deployment, .. } => Some(deployment.as_str().to_owned()),
        _ => None,
    };
    told.iter().filter_map(id).collect()
}

#[tokio::test]
async fn an_accepted_deployment_is_told_once_whatever_comes_after() {
    // The agent tells it, too.
    let again = r#"{"seq":1,"at":"2026-01-01T00:00:00Z","kind":"accepted","deployment":"d-1","image":"w"},
{"seq":3,"at":"2026-01-01T00:00:02Z","kind":"finished","outcome":"deployed","message":"release 4 serves","release":4}"#;
    let run = Run::new(Script { polls: [Poll::Page(again)].into(), ..Script::default() }).await;
    assert_eq!(accepted(&run.go().await.1), ["d-1"]);

    // The agent is never reached again.
    let faults = (0..9).map(|_| Poll::Fault(502, ""));
    let mut run = Run::new(Script { polls: faults.collect(), ..Script::default() }).await;
    run.timeout = Duration::from_secs(1);
    let (end, told) = run.go().await;
    assert_eq!((end.unwrap_err().kind, accepted(&told)), (Kind::TimedOut, vec!["d-1".to_owned()]));

    // It cannot be told to give the deployment up.
    let polls = [Poll::Hold(Duration::from_secs(20))];
    let run = Run::new(Script { polls: polls.into(), cancel: Some((502, "")), ..Script::default() }).await;
    let (end, told) = run.go_and_ask(1).await;
    assert_eq!((end.unwrap_err().kind, accepted(&told)), (Kind::Cancelled, vec!["d-1".to_owned()]));

    // What is refused was not accepted.
    let busy = r#"{"code":"busy","message":"another deployment of `badgery` is running"}"#;
    let run = Run::new(Script { submit: Some((409, busy)), ..Script::default() }).await;
    assert_eq!(accepted(&run.go().await.1), [] as [&str; 0]);
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
async fn throttled_polls_are_repeated_and_nothing_else_is() {
    let throttled = |status| Poll::Fault(status, "slow down");
    let polls = [throttled(429), throttled(503), throttled(429), throttled(503), throttled(429), Poll::Page(DONE)];
    let run = Run::new(Script { polls: polls.into(), ..Script::default() }).await;
    assert_eq!(run.go().await.0.unwrap().unwrap().outcome, Outcome::Deployed);
    assert_eq!(run.script.lock().unwrap().submitted.len(), 1);
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
    let (end, told) = run.go().await;
    let failure = end.unwrap().unwrap().to_failure().unwrap();
    let last = told.last().map(|stamped| &stamped.event);
    assert!(matches!(last, Some(DeployEvent::Finished { outcome: Outcome::RolledBack, .. })), "{told:?}");
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
    let asked = "cancelling: the agent is asked to abandon the deployment; a second signal leaves it to the agent";
    assert_eq!(notes(&told), [asked, "the agent abandons the deployment before the switch"]);
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
    assert!(failure.render().contains("look at `systemctl status deploy-agent`"), "{}", failure.render());
}

/// What closing `d-1` came to, and what was told.
async fn closing(run: &Run, span: Duration) -> (Result<Option<Finish>, Failure>, Vec<Stamped>) {
    let (mut events, mut reader) = event_channel();
    let id = "d-1".parse().unwrap();
    let end = close(&run.client, &id, &mut events, &run.cancel, Instant::now() + span).await;
    let mut told = Vec::new();
    while let Ok(stamped) = reader.try_recv() {
        told.push(stamped);
    }
    (end, told)
}

#[tokio::test]
async fn a_deployment_whose_run_is_gone_is_given_up_and_told_from_its_beginning() {
    let after = [Poll::Fault(502, "bad gateway"), Poll::Page(GATE), Poll::Page(CANCELLED)];
    let run = Run::new(Script { after_cancel: after.into(), ..Script::default() }).await;
    let (end, told) = closing(&run, Duration::from_secs(30)).await;
    assert_eq!(end.unwrap().unwrap().outcome, Outcome::Cancelled);
    assert!(notes(&told)[0].contains("gives the deployment up"), "{told:?}");
    assert_eq!((told.len(), run.script.lock().unwrap().cancelled), (4, 1), "{told:?}");
}

#[tokio::test]
async fn closing_ends_with_its_time_or_a_signal() {
    let hold = || Script { after_cancel: [Poll::Hold(Duration::from_secs(60))].into(), ..Script::default() };
    let (end, _) = closing(&Run::new(hold()).await, Duration::from_millis(300)).await;
    assert_eq!(end.unwrap(), None);
    let run = Run::new(hold()).await;
    run.canceller.ask();
    assert_eq!(closing(&run, Duration::from_secs(30)).await.0.unwrap(), None);
}

#[tokio::test]
async fn closing_what_the_agent_does_not_know_fails() {
    let unknown = (404, r#"{"code":"unknown_deployment","message":"there is no deployment `d-1`"}"#);
    let run = Run::new(Script { cancel: Some(unknown), ..Script::default() }).await;
    assert_eq!(closing(&run, Duration::from_secs(30)).await.0.unwrap_err().reason, Reason::UnknownDeployment);
}
