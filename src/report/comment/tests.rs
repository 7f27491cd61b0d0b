//! One story, every renderer: they say the same, and text from outside stays text.

use proptest::prelude::*;

use super::super::{Ended, Ending, Story, Told, outputs, summary};
use super::*;
use crate::agent_api::{Blocker, Gate};
use crate::domain::Reason;
use crate::event::{DeployEvent, Outcome, Phase, Stamped};
use crate::failure::{Failure, Kind};
use crate::plan::preview::{Origin, Preview, Running};
use crate::plan::render::preview_text;
use crate::plan::{Action, Downtime, Mark, Place, PlanReport};

const IMAGE: &str = "registry.example/shop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OLD: &str = "registry.example/shop@sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn version(release: Option<u64>, image: &str) -> Version {
    Version { release, image: image.parse().ok(), image_id: None, containers: 1 }
}

fn plan() -> PlanReport {
    PlanReport {
        environment: "staging".parse().unwrap(),
        app: "shop".parse().unwrap(),
        service: "web".parse().unwrap(),
        place: Place::Agent("https://vps.example".parse().unwrap()),
        running: Some(version(Some(3), OLD)),
        wanted: Some(version(None, IMAGE)),
        rollback: false,
        changed: true,
        gate: Some(Gate::DockerHealth),
        actions: vec![Action { mark: Mark::Add, phase: Phase::Create, text: "1 container beside the old".to_owned() }],
        downtime: Downtime { expected: false, why: "both run until the switch".to_owned() },
        notes: Vec::new(),
        blockers: Vec::new(),
    }
}

fn story(events: Vec<DeployEvent>) -> Story {
    let mut story = Story::new(
        "shop".parse().unwrap(),
        "staging".parse().unwrap(),
        "web".parse().unwrap(),
        "c".repeat(40).parse().unwrap(),
        "https://github.example/badgery/shop/actions/runs/9".to_owned(),
    );
    story.plan = Some(plan());
    for (seq, event) in (1..).zip(events) {
        story.apply(&Stamped { seq, at: "2026-03-01T10:00:00Z".parse().unwrap(), event });
    }
    story
}

fn accepted() -> DeployEvent {
    DeployEvent::Accepted { deployment: "d-1".parse().unwrap(), image: IMAGE.to_owned(), fence: None }
}

fn finished(outcome: Outcome, release: u64, image: &str) -> DeployEvent {
    DeployEvent::Finished {
        outcome,
        reason: None,
        message: "it ended".to_owned(),
        hint: None,
        release: Some(release),
        image: Some(image.to_owned()),
    }
}

fn diagnosis(log: Vec<String>) -> DeployEvent {
    let container = ContainerReport {
        name: "shop-web-2".to_owned(),
        state: "exited".to_owned(),
        health: None,
        exit_code: Some(137),
        meaning: Some("killed, often out of memory".to_owned()),
        error: None,
        log,
    };
    DeployEvent::Diagnosis { container }
}

fn ends(mut story: Story, changed: bool, failure: Option<&Failure>) -> String {
    let ending = Ending { changed, nothing_to_do: false, failure };
    story.ended = Some(Ended::of(&ending));
    let outputs: Vec<String> = outputs(&story, &ending).iter().map(|(name, value)| format!("{name}={value}")).collect();
    let comment = comment(&story);
    let after_marker = comment.split_once('\n').unwrap().1;
    assert_eq!(after_marker.trim_end(), summary(&story).trim_end());
    format!("{comment}--- outputs\n{}\n", outputs.join("\n"))
}

#[test]
fn a_deployment_that_runs() {
    insta::assert_snapshot!(comment(&story(vec![accepted(), DeployEvent::PhaseStarted { phase: Phase::Gate }])));
}

#[test]
fn a_deployment_that_ended_well() {
    let done = DeployEvent::PhaseFinished { phase: Phase::Gate, took_ms: 1234 };
    insta::assert_snapshot!(ends(story(vec![accepted(), done, finished(Outcome::Deployed, 4, IMAGE)]), true, None));
}

#[test]
fn a_deployment_that_was_rolled_back() {
    let hostile = ["</details><img src=x>", "::error::x", "@everyone #1 https://evil", "```"].map(str::to_owned);
    let failure = Failure::new(Reason::NeverHealthy, "`web` is <b>not</b> healthy\n::error::x").hint("look at the log");
    let events = vec![accepted(), diagnosis(hostile.to_vec()), finished(Outcome::RolledBack, 3, OLD)];
    insta::assert_snapshot!(ends(story(events), false, Some(&failure)));
}

#[test]
fn a_plan_is_the_comment() {
    let mut blocked = story(Vec::new());
    let blocker = Blocker { code: "x".to_owned(), message: "it | cannot".to_owned(), hint: "change it".to_owned() };
    blocked.plan.as_mut().unwrap().blockers.push(blocker);
    insta::assert_snapshot!(format!("{}\n===\n{}", ends(story(Vec::new()), true, None), ends(blocked, false, None)));
}

#[test]
fn a_failed_build_shows_its_last_lines() {
    let lines = (0..100).map(|number| DeployEvent::BuildLine { text: format!("#7 {number} </details>") });
    let failure = Failure::new(Reason::Bug, "step 7 failed").kind(Kind::Build);
    let told = ends(story(lines.collect()), false, Some(&failure));
    assert!(told.contains("<code>&#35;7 99 &#60;/details&#62;</code><br>"), "{told}");
    assert!(!told.contains("7 39 ") && told.contains("7 40 "));
}

#[test]
fn what_is_not_built_or_is_blocked_says_so() {
    let mut unbuilt = story(Vec::new());
    unbuilt.plan = None;
    let mut blocked = story(Vec::new());
    let blocker = Blocker { code: "x".to_owned(), message: "no".to_owned(), hint: "change it".to_owned() };
    blocked.plan.as_mut().unwrap().blockers.push(blocker);
    let failure = Failure::new(Reason::Blocked, "it is blocked by x");
    insta::assert_snapshot!(format!("{}\n===\n{}", ends(unbuilt, false, None), ends(blocked, false, Some(&failure))));
}

#[test]
fn a_plan_that_cannot_be_made_says_what_is_known() {
    let image = Origin::Build {
        commit: "c".repeat(40).parse().unwrap(),
        dockerfile: "web/Dockerfile".to_owned(),
        target: Some("@release".to_owned()),
        args: vec!["A".to_owned()],
        name: "registry.example/shop:ccc".to_owned(),
    };
    let mut told = String::new();
    for (image, running) in [
        (image.clone(), Running::Known(Some(version(Some(3), OLD)))),
        (image, Running::NotAsked("no key")),
        (Origin::Given("registry.example/shop:v1".to_owned()), Running::NotAsked("no key")),
    ] {
        let preview = Preview {
            app: "shop".parse().unwrap(),
            environment: "staging".parse().unwrap(),
            service: "web".parse().unwrap(),
            place: Place::Agent("https://vps.example".parse().unwrap()),
            image,
            running,
            blockers: Vec::new(),
        };
        let mut story = Story { plan: None, plan_only: true, preview: Some(preview.clone()), ..story(Vec::new()) };
        told.push_str(&format!("{}\n{}\n", headline(&story), preview_text(&preview)));
        story.ended = Some(Ended { nothing_to_do: false, failure: None });
        told.push_str(&format!("{}===\n", comment(&story)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_is_in_the_way_of_an_image_that_is_not_built_is_shown() {
    let blocker = Blocker { code: "x".to_owned(), message: "it | cannot".to_owned(), hint: "change it".to_owned() };
    let preview = Preview {
        app: "shop".parse().unwrap(),
        environment: "staging".parse().unwrap(),
        service: "web".parse().unwrap(),
        place: Place::Agent("https://vps.example".parse().unwrap()),
        image: Origin::Given("registry.example/shop:v1".to_owned()),
        running: Running::Known(None),
        blockers: vec![blocker],
    };
    let failure = Failure::new(Reason::Blocked, "it is blocked by x").kind(Kind::Preflight);
    let mut told = preview_text(&preview);
    for plan_only in [true, false] {
        let story = Story { plan: None, plan_only, preview: Some(preview.clone()), ..story(Vec::new()) };
        told.push_str(&format!("===\n{}", ends(story, false, Some(&failure))));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_plan_that_fails_says_so() {
    let failure =
        Failure::new(Reason::KeyInvalid, "two\nlines").because(std::io::Error::other("cause")).hint("do this");
    let mut story =
        Story { plan: None, plan_only: true, url: "https://x.example/(a)".parse().ok(), ..story(Vec::new()) };
    story.ended = Some(Ended::of(&Ending { changed: false, nothing_to_do: false, failure: Some(&failure) }));
    insta::assert_snapshot!(comment(&story));
}

#[test]
fn headlines_tell_the_ends_apart() {
    let cancelled = Failure::new(Reason::Cancelled, "cancelled");
    let build = Failure::new(Reason::Bug, "the build failed").kind(Kind::Build);
    let mut told = String::new();
    for (events, nothing_to_do, failure) in [
        (vec![], true, None),
        (vec![accepted(), finished(Outcome::Stranded, 4, IMAGE)], false, Some(&build)),
        (vec![], false, Some(&cancelled)),
        (vec![accepted(), finished(Outcome::Cancelled, 3, OLD)], false, Some(&cancelled)),
        (vec![accepted(), DeployEvent::Switched], false, Some(&cancelled)),
        (vec![], false, Some(&build)),
        (vec![accepted()], false, Some(&build)),
    ] {
        let mut story = story(events);
        story.ended = Some(Ended::of(&Ending { changed: false, nothing_to_do, failure }));
        told.push_str(&format!("{}\n", headline(&story)));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_comment_is_open_until_its_run_told_the_end() {
    let cancelled = Failure::new(Reason::Cancelled, "cancelled");
    let lost = Failure::new(Reason::Unknown, "the answer was lost").kind(Kind::Cancelled);
    for (open, ended, events, failure) in [
        (true, false, vec![accepted()], None),
        (true, true, vec![accepted(), DeployEvent::Switched], Some(&cancelled)),
        (true, true, vec![], Some(&lost)),
        (false, true, vec![], Some(&cancelled)),
        (false, true, vec![accepted(), finished(Outcome::Cancelled, 3, OLD)], Some(&cancelled)),
        (false, true, vec![accepted(), finished(Outcome::Deployed, 4, IMAGE)], None),
    ] {
        let mut story = story(events);
        story.ended = ended.then(|| Ended::of(&Ending { changed: false, nothing_to_do: false, failure }));
        let text = comment(&story);
        assert_eq!((is_open(&text), story.is_settled()), (open, !open), "{text}");
        assert!(is_of(&text, &story.run_url) && !is_of(&text, &format!("{}1", story.run_url)), "another run's");
    }
}

#[test]
fn what_the_agent_took_on_is_open_and_its_change_unknown_until_its_last_word() {
    let cancelled = Failure::new(Reason::Cancelled, "left").kind(Kind::Cancelled);
    let away = Failure::new(Reason::TimedOut, "the agent has not answered since it was accepted");
    let unheard = Failure::new(Reason::Unknown, "stopped while it was being handed over");
    for (events, failure, settled, changed) in [
        (vec![accepted()], &cancelled, false, None),
        (vec![accepted()], &away, false, None),
        (vec![], &unheard, false, None),
        (vec![accepted(), DeployEvent::Switched], &cancelled, false, Some(true)),
        (vec![accepted(), DeployEvent::Switched], &away, false, Some(true)),
        (vec![], &cancelled, true, Some(false)),
        (vec![], &away, true, Some(false)),
        (vec![accepted(), finished(Outcome::Cancelled, 3, OLD)], &cancelled, true, Some(false)),
    ] {
        let mut story = story(events);
        story.ended = Some(Ended::of(&Ending { changed: false, nothing_to_do: false, failure: Some(failure) }));
        assert_eq!((story.is_settled(), story.conclusion().changed), (settled, changed), "{}", comment(&story));
    }
}

#[test]
fn each_service_has_a_comment_of_its_own() {
    let web = story(Vec::new());
    let worker = Story { service: "worker".parse().unwrap(), ..web.clone() };
    assert_ne!(marker(&web), marker(&worker));
    assert_eq!(marker(&web), marker(&story(vec![accepted()])));
}

#[test]
fn the_tail_of_a_long_diagnosis_is_kept() {
    let log: Vec<String> = (0..4_000).map(|number| format!("{number} {}", "<".repeat(300))).collect();
    assert!(log.iter().map(String::len).sum::<usize>() > 1_000_000);
    let mut story = story(vec![accepted(), diagnosis(log)]);
    story.plan.as_mut().unwrap().notes = vec!["@".repeat(500); 100];
    let text = comment(&story);
    assert!(text.chars().count() <= LONGEST);
    assert!(text.starts_with("<!-- deploy-action:shop:staging:web -->\n"));
    assert!(text.contains("earlier lines are left out") && text.contains("<code>3999 "), "{text}");
    assert!(!text.contains("<code>0 "));
    assert!(text.contains("too long to be shown"));
}

proptest! {
    #[test]
    fn nothing_from_outside_becomes_markup(
        text in "\\PC{0,60}|[-<>|`@#:*_~\\[\\]()!&\\\\\\n\\r\\ta1 ]{0,60}",
        lines in 0_usize..400,
    ) {
        let mut story = story(vec![accepted(), diagnosis(vec![text.repeat(9); lines])]);
        let told = Told { kind: Kind::RolledBack, reason: Reason::Bug, message: text.clone(), hint: Some(text) };
        story.ended = Some(Ended { nothing_to_do: false, failure: Some(told) });
        let out = comment(&story);
        prop_assert!(out.chars().count() <= LONGEST);
        prop_assert_eq!(out.matches("<details>").count(), 2);
        prop_assert_eq!(out.matches("</details>").count(), 2);
        prop_assert_eq!(out.matches("<!--").count(), 1);
        prop_assert!(!out.contains('@') && !out.contains("<img"));
    }
}
