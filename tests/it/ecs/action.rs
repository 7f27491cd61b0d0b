//! The action in front of ECS: what a pull request shows of each end, and what the post step makes of a run that died.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use kit::aws::{Breaker, Fault, Shift, Strategy, World};
use kit::bed::Machine;
use kit::github::{GitHubDouble, VIEWER};
use kit::runner::{Job, Told};
use serde_json::Value;

use super::before_deploy::BEFORE;
use super::cloud::{outline, stage};
use super::{Cloud, IMAGE, OTHER_IMAGE, interrupt};
use crate::action::agree::agree;
use crate::action::user::{PROGRAM, TOKEN, push};

/// The commit, of pull request 7.
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

/// A word that a run says, and what happens then.
pub(super) type Moment<'a> = (&'a str, &'a dyn Fn(&Cloud));

/// A repository with its runs.
pub(super) struct Run {
    pub(super) cloud: Cloud,
    github: GitHubDouble,
    machine: Machine,
    dir: tempfile::TempDir,
}

impl Run {
    pub(super) fn of(world: World) -> Self {
        Self::with(world, "")
    }

    /// With more lines for the target.
    pub(super) fn with(world: World, more: &str) -> Self {
        let github = GitHubDouble::start().expect("GitHub's double");
        github.pull_requests(SHA, &[7]);
        let machine = Machine::find().expect("a machine");
        Self { cloud: Cloud::with(world, more), github, machine, dir: tempfile::tempdir().expect("a folder") }
    }

    pub(super) fn job(&self) -> Job {
        let mut job = self.job_without_token();
        job.token(TOKEN);
        job
    }

    /// One that cannot ask GitHub for anything.
    fn job_without_token(&self) -> Job {
        let job = Job::new(&self.machine, self.dir.path(), self.cloud.folder(), &self.github.url(), 101);
        let mut job = job.expect("a job");
        job.event("push", &push(SHA), SHA).expect("an event");
        for (name, value) in self.cloud.variables() {
            job.set(name, &value);
        }
        job
    }

    #[track_caller]
    fn step(&self) -> Told {
        let told = self.job().step(Path::new(PROGRAM), &[("image", IMAGE)]).expect("the step runs");
        self.cloud.assert_no_false_green(told.code == 0, &told.log());
        told
    }

    /// The post step, which under some runners gets nothing of what the step left.
    pub(super) fn post(&self) -> Told {
        self.post_of(&mut self.job())
    }

    fn post_of(&self, job: &mut Job) -> Told {
        self.post_with(job, &[("image", IMAGE)])
    }

    pub(super) fn post_with(&self, job: &mut Job, inputs: &[(&str, &str)]) -> Told {
        let post: PathBuf = self.dir.path().join("post");
        if !post.exists() {
            symlink(PROGRAM, &post).expect("a link");
        }
        job.step(&post, inputs).expect("the post step runs")
    }

    /// Starts the step and kills it once it says a word. Gives what it left for its post step.
    pub(super) fn killed(&self, word: &str) -> BTreeMap<String, String> {
        self.killed_with(&mut self.job(), &[("image", IMAGE)], word)
    }

    pub(super) fn killed_with(&self, job: &mut Job, inputs: &[(&str, &str)], word: &str) -> BTreeMap<String, String> {
        self.killed_after(job, inputs, &[(word, &|_| {})])
    }

    /// The same after several words, with something that happens at each.
    fn killed_after(&self, job: &mut Job, inputs: &[(&str, &str)], moments: &[Moment<'_>]) -> BTreeMap<String, String> {
        let (mut command, files) = job.prepare(Path::new(PROGRAM), inputs).expect("prepared");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut lines = lines.map_while(Result::ok);
        let unsaid = moments.iter().find(|(word, then)| {
            let said = lines.any(|line| line.contains(word));
            if said {
                then(&self.cloud);
            }
            !said
        });
        // AWS stands still while the signal is on its way.
        let tick = self.cloud.aws.with(|world| std::mem::take(&mut world.tick));
        child.kill().expect("kills");
        child.wait().expect("ends");
        self.cloud.aws.with(|world| world.tick = tick);
        assert!(unsaid.is_none(), "`{}` is said", unsaid.map_or("", |(word, _)| word));
        files.state().expect("a runner takes it")
    }

    /// Runs the step, and acts once it says a word. Gives its exit code and what it said.
    #[track_caller]
    fn during(&self, word: &str, act: impl FnOnce(u32)) -> (Option<i32>, String) {
        self.during_with(&mut self.job(), word, act)
    }

    #[track_caller]
    pub(super) fn during_with(&self, job: &mut Job, word: &str, act: impl FnOnce(u32)) -> (Option<i32>, String) {
        let (mut command, _files) = job.prepare(Path::new(PROGRAM), &[("image", IMAGE)]).expect("prepared");
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("starts");
        let (mut said, mut act) = (String::new(), Some(act));
        for line in BufReader::new(child.stdout.take().expect("piped")).lines().map_while(Result::ok) {
            if line.contains(word)
                && let Some(act) = act.take()
            {
                act(child.id());
            }
            said.push_str(&line);
            said.push('\n');
        }
        assert!(act.is_none(), "`{word}` is said\n{said}");
        let code = child.wait().expect("ends").code();
        self.cloud.assert_no_false_green(code == Some(0), &said);
        (code, said)
    }

    /// Our comment, without times.
    pub(super) fn comment(&self) -> String {
        let comments = self.github.comments(7);
        let [(author, text)] = comments.as_slice() else { panic!("one comment: {comments:?}") };
        assert_eq!(author, VIEWER);
        timeless(text)
    }

    /// The states of the deployment at GitHub.
    fn states(&self) -> Vec<String> {
        let state = |status: &Value| status["state"].as_str().unwrap_or_default().to_owned();
        self.github.deployments().iter().flat_map(|(_, statuses)| statuses.iter().map(state)).collect()
    }

    fn serving(&self) -> String {
        self.cloud.aws.with(|world| world.deployed())
    }
}

/// What a step with these options says, and what it leaves on the pull request.
pub(super) fn commented(world: World, more: &str, options: &[&str]) -> (Told, String) {
    let run = Run::with(world, more);
    let options = options.chunks_exact(2).map(|option| (option[0].trim_start_matches("--"), option[1]));
    let inputs: Vec<_> = [("image", IMAGE)].into_iter().chain(options).collect();
    let told = run.job().step(Path::new(PROGRAM), &inputs).expect("the step runs");
    run.cloud.assert_no_false_green(told.code == 0, &told.log());
    agree(&told, &run.github);
    let comment = run.comment();
    (told, comment)
}

fn code_deploy() -> World {
    World::fargate("badgery", "web").code_deploy(Shift::AllAtOnce).auto_rollback(true)
}

/// A comment without times.
fn timeless(text: &str) -> String {
    let span = |line: &str| match line.split_once(" | ") {
        Some((phase, rest)) if phase.starts_with("| ") && rest.ends_with(" s |") => format!("{phase} | <span> |\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(span).collect()
}

#[test]
fn the_comment_tells_how_it_ended() {
    let canary = || World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 });
    let alarm = || canary().auto_rollback(true).alarm().fault(Fault::AlarmAt(10));
    let lines = ["<img src=x>", "::error::@everyone", "panic: no database"];
    for (name, world, code, outcome, state) in [
        ("comment_canary", canary(), 0, "deployed", "success"),
        ("comment_alarm", alarm(), 30, "rolled_back", "failure"),
        ("comment_rollback_fails", alarm().fault(Fault::RollbackFails), 31, "stranded", "error"),
        (
            "comment_crash",
            code_deploy().install_limit(120).log_lines(&lines).fault(Fault::Crash(137)),
            30,
            "rolled_back",
            "failure",
        ),
        ("comment_hook", code_deploy().fault(Fault::HookFails("AfterAllowTestTraffic")), 30, "rolled_back", "failure"),
        (
            "comment_native",
            World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5),
            0,
            "deployed",
            "success",
        ),
    ] {
        let run = Run::of(world);
        let before = run.serving();
        let told = run.step();
        agree(&told, &run.github);
        assert_eq!((told.code, told.output("outcome")), (code, outcome), "{name}: {}", told.log());
        assert_eq!(run.states().last().map(String::as_str), Some(state), "{name}: {:?}", run.states());
        assert_eq!(told.output("changed"), (outcome != "rolled_back").to_string(), "{name}");
        if outcome == "rolled_back" {
            assert_eq!(run.serving(), before, "{name}");
        }
        assert!(told.summary.contains("production"), "{name}: {}", told.summary);
        let headline = |text: &str| text.lines().find(|line| line.starts_with("### ")).map(str::to_owned);
        assert_eq!(headline(&told.summary), headline(&run.comment()), "{name}");
        insta::assert_snapshot!(name, run.comment());
    }
}

/// Kills a run of each world once it says the word beside it. Side by side: a post step waits for seconds.
fn each_closed_by_its_post_step(cases: impl IntoIterator<Item = (&'static str, &'static str, World, bool)>) {
    thread::scope(|scope| {
        for (name, word, world, serves_new) in cases {
            scope.spawn(move || closed_by_its_post_step(name, word, world, serves_new));
        }
    });
}

/// Kills a run once it says a word: its post step leaves nothing under way, and tells GitHub how it ended.
fn closed_by_its_post_step(name: &str, word: &str, world: World, serves_new: bool) {
    let told = closed(world, &[(word, &|_| {})], serves_new);
    insta::assert_snapshot!(format!("killed_{name}"), told);
}

/// The same after the last one of several words. Gives what the post step says, and what the pull request shows.
pub(super) fn closed(world: World, moments: &[Moment<'_>], serves_new: bool) -> String {
    let run = Run::of(world);
    let before = run.serving();
    run.killed_after(&mut run.job(), &[("image", IMAGE)], moments);
    let word = moments.last().map_or("", |(word, _)| word);
    // Where it stood still until then, it goes on.
    run.cloud.aws.with(|world| world.tick = world.tick.max(1));
    let post = run.post();
    assert_eq!(post.code, 0, "{word}: {}", post.log());
    assert_eq!(run.cloud.aws.with(|world| world.active()), None, "{word}: {}", post.log());
    assert_eq!(run.serving() != before, serves_new, "{word}: {}", post.log());
    let last = run.states().pop();
    assert_ne!(last.as_deref(), Some("in_progress"), "{word}: {}", post.log());
    run.cloud.assert_no_false_green(last.as_deref() == Some("success"), &post.log());
    if serves_new {
        assert_eq!(last.as_deref(), Some("success"), "{word}: {}", post.log());
        let history = run.cloud.run(&["history", "production"]).output.stdout;
        assert!(history.contains(&SHA[..12]), "from which commit: {history}");
    }
    let told = format!("{}--- comment\n{}", outline(Some(post.code), &post.log()), run.comment());
    // How far a phase came while the signal was on its way differs.
    let is_phase = |line: &&str| line.ends_with(" …") || line.contains("<span>");
    told.lines().filter(|line| !is_phase(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_killed_run_is_closed_by_its_post_step() {
    let canary = Shift::Canary { percent: 10, minutes: 5 };
    let world = || World::fargate("badgery", "web").code_deploy(canary).auto_rollback(true).tick(5);
    each_closed_by_its_post_step([
        ("accepted", "accepted as deployment", world().tick(0), false),
        ("install", "new tasks run | Install", world(), false),
        (
            "test",
            "new tasks run | AfterAllowTestTraffic",
            world().fault(Fault::HookSilent("AfterAllowTestTraffic")),
            false,
        ),
        ("approval", "approval …", World::fargate("badgery", "web").code_deploy(canary).ready_wait(60).tick(5), false),
        ("shift", "new tasks run | AllowTraffic", world(), true),
        ("bake", "bake    …", world(), true),
    ]);
}

#[test]
fn a_killed_run_of_ecs_itself_is_closed_by_its_post_step() {
    let native = || World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5).bake(5).tick(5);
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1);
    each_closed_by_its_post_step([
        ("native_accepted", "accepted as deployment", native().tick(0), false),
        ("native_scale_up", "new tasks run | SCALE_UP", native(), false),
        ("native_approval", "approval …", native().pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "CONTINUE"), false),
        ("native_shift", " 10 % of the traffic |", native(), true),
        ("native_bake", "bake    …", native(), true),
        ("rolling_accepted", "accepted as deployment", rolling().tick(0), false),
        ("rolling_begun", "0 of 2 new tasks run", rolling(), false),
        ("rolling_run", "2 of 2 new tasks run", rolling(), true),
    ]);
}

/// Stages that are over after a look or two: AWS stands still in them until the run is dead.
#[test]
fn a_run_that_is_killed_in_a_short_stage_of_ecs_is_closed_by_its_post_step() {
    for (name, at, word, serves_new) in [
        ("native_test", "TEST_TRAFFIC_SHIFT", "new tasks run | TEST_TRAFFIC_SHIFT", false),
        ("native_retire", "CLEAN_UP", "retire  …", true),
    ] {
        let accepted = |cloud: &Cloud| {
            cloud.aws.with(|world| {
                while stage(world) != at {
                    world.advance(1);
                }
            });
        };
        let world = World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5).bake(5).tick(0);
        let told = closed(world, &[("accepted as deployment", &accepted), (word, &|_| {})], serves_new);
        insta::assert_snapshot!(format!("killed_{name}"), told);
    }
}

#[test]
fn the_post_step_heeds_what_a_cancellation_does() {
    let canary = || World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 5 }).tick(5);
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1);
    for (world, word, on_cancel, serves_new) in [
        (canary(), "new tasks run | Install", "finish", true),
        (canary(), "new tasks run | AllowTraffic", "roll-back", false),
        (rolling(), "0 of 2 new tasks run", "finish", true),
        (rolling(), "2 of 2 new tasks run", "roll-back", false),
    ] {
        let run = Run::with(world, &format!("on_cancel: {on_cancel}"));
        let before = run.serving();
        run.killed(word);
        let post = run.post();
        assert_eq!(post.code, 0, "{on_cancel} at {word}: {}", post.log());
        assert_eq!(run.cloud.aws.with(|world| world.active()), None, "{on_cancel} at {word}: {}", post.log());
        assert_eq!(run.serving() != before, serves_new, "{on_cancel} at {word}: {}", post.log());
        run.cloud.assert_no_false_green(run.states().last().is_some_and(|state| state == "success"), &post.log());
    }
}

#[test]
fn the_post_step_takes_up_what_the_step_left_for_it() {
    let run = Run::of(code_deploy().tick(1));
    let before = run.serving();
    let state = run.killed("new tasks run | Install");
    // Neither GitHub nor a look at AWS tells it which deployment it was.
    run.cloud.aws.with(|world| world.faults.push(Fault::Denied("codedeploy:ListDeployments")));
    let mut job = run.job_without_token();
    for (name, value) in &state {
        job.set(&format!("STATE_{name}"), value);
    }
    let post = run.post_of(&mut job);
    assert_eq!(run.cloud.aws.exchanges_of("StopDeployment").len(), 1, "{}", post.log());
    assert_eq!((run.cloud.aws.with(|world| world.active()), run.serving()), (None, before), "{}", post.log());
}

#[test]
fn a_cancelled_run_is_told_as_cancelled() {
    let run = Run::of(code_deploy().tick(1));
    let before = run.serving();
    let told = run.job().interrupted(Path::new(PROGRAM), &[("image", IMAGE)], "new tasks run | Install");
    let told = told.expect("ends");
    assert_eq!(told.code, 40, "{}", told.log());
    let post = run.post();
    assert_eq!(post.code, 0, "{}", post.log());
    assert_eq!(run.serving(), before);
    assert_eq!(run.states().last().map(String::as_str), Some("inactive"), "{}{}", told.log(), post.log());
}

#[test]
fn the_comment_tells_what_came_in_between() {
    let native = || World::fargate("badgery", "web").native(Strategy::Canary).step(10, 5).tick(1);
    let canary = || World::fargate("badgery", "web").code_deploy(Shift::Canary { percent: 10, minutes: 60 }).tick(1);
    let rolling = || World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(1);
    for (name, world, word) in [
        ("comment_cancelled_before_the_shift", canary(), "new tasks run | Install"),
        ("comment_cancelled_in_the_shift", canary(), "new tasks run | AllowTraffic"),
        ("comment_cancelled_native", native(), "SCALE_UP"),
        ("comment_cancelled_rolling", rolling(), "0 of 2 new tasks run"),
        (
            "comment_cancelled_in_the_queue",
            code_deploy().tick(0).active_deployment("AllowTraffic"),
            "waiting for the end of",
        ),
        ("comment_cancelled_at_an_approval", code_deploy().ready_wait(60).tick(1), "approval …"),
        ("comment_cancelled_in_the_test", native(), "test    …"),
        ("comment_cancelled_at_a_hook", native().pause("PRE_PRODUCTION_TRAFFIC_SHIFT", 10, "CONTINUE"), "approval …"),
    ] {
        let run = Run::of(world);
        let (code, said) = run.during(word, interrupt);
        assert_eq!(code, Some(40), "{name}\n{said}");
        insta::assert_snapshot!(name, format!("{}--- comment\n{}", outline(code, &said), run.comment()));
    }
    for (name, world, word) in [
        ("comment_cancelled_in_the_bake", code_deploy().termination_wait(60).tick(1), "bake    …"),
        ("comment_cancelled_native_in_the_shift", native(), " 10 % of the traffic |"),
        ("comment_cancelled_native_in_the_bake", native().bake(60), "bake    …"),
        ("comment_cancelled_native_at_its_end", native(), "retire  …"),
        ("comment_cancelled_rolling_with_new_tasks", rolling(), "2 of 2 new tasks run"),
        ("comment_cancelled_on_the_way_back", rolling().fault(Fault::Crash(1)), "back    …"),
        ("comment_cancelled_in_a_command", rolling().fault(Fault::OneOffHangs), "` runs `bin/migrate"),
    ] {
        let run = Run::of(world.tick(10));
        // Its pauses leave time for a signal, and AWS stands still from then on.
        let file = std::fs::read_to_string(run.cloud.folder().join("deploy.yml")).expect("reads");
        let file = file.replace("poll_interval: 1ms", "poll_interval: 200ms");
        let before = if name.ends_with("command") { BEFORE } else { "" };
        run.cloud.file("deploy.yml", &file.replace("    target:", &format!("{before}    target:")));
        let (code, said) = run.during(word, |id| {
            run.cloud.aws.with(|world| world.tick = 0);
            interrupt(id);
        });
        assert_eq!(code, Some(40), "{name}\n{said}");
        insta::assert_snapshot!(name, format!("{}--- comment\n{}", outline(code, &said), run.comment()));
    }
    for (name, world, word) in [
        ("comment_superseded_rolling", rolling(), "0 of 2 new tasks run"),
        ("comment_superseded_native", native(), " 10 % of the traffic |"),
        (
            "comment_superseded_rolling_without_breaker",
            World::fargate("badgery", "web").rolling(Breaker::Off).tick(1),
            "0 of 2 new tasks run",
        ),
        (
            "comment_superseded_blue_green",
            World::fargate("badgery", "web").native(Strategy::BlueGreen).bake(5).tick(1),
            "bake    …",
        ),
    ] {
        let run = Run::of(world);
        let other = ["deploy", "production", "--image", OTHER_IMAGE];
        let (code, said) = run.during(word, |_| drop(run.cloud.run(&other).expect(0)));
        assert_eq!(code, Some(12), "{name}\n{said}");
        insta::assert_snapshot!(name, format!("{}--- comment\n{}", outline(code, &said), run.comment()));
    }
}

#[test]
fn the_comment_tells_that_credentials_ran_out_and_that_nothing_is_to_do() {
    let (told, comment) = commented(code_deploy().fault(Fault::ExpiresAfterCalls(14)), "", &[]);
    assert_eq!((told.code, told.output("reason-code")), (32, "aws_credentials"), "{}", told.log());
    insta::assert_snapshot!("comment_expired", comment);

    let run = Run::of(code_deploy());
    let told = run.step();
    assert_eq!((told.code, told.output("changed")), (0, "true"), "{}", told.log());
    let payload = &run.github.deployments()[0].0["payload"];
    assert_eq!(payload["image"], IMAGE, "GitHub knows what was deployed: {payload}");
    let told = run.step();
    assert_eq!((told.code, told.output("changed")), (0, "false"), "{}", told.log());
    let transcript = outline(Some(told.code), &told.log());
    insta::assert_snapshot!("comment_nothing_to_do", format!("{transcript}--- comment\n{}", run.comment()));
}

#[test]
fn two_services_have_a_comment_each() {
    let run = Run::of(World::fargate("badgery", "web").rolling(Breaker::Rollback).other_service("worker"));
    let file = std::fs::read_to_string(run.cloud.folder().join("deploy.yml")).expect("reads");
    for service in ["web", "worker"] {
        run.cloud.file("deploy.yml", &file.replace("service: web", &format!("service: {service}")));
        let told = run.step();
        assert_eq!(told.code, 0, "{}", told.log());
        insta::assert_snapshot!(format!("two_services_{service}"), outline(Some(told.code), &told.log()));
    }
    let comments = run.github.comments(7);
    let headed = |service: &str| {
        let marker = format!("<!-- deploy-action:shop:production:{service} -->");
        comments.iter().filter(|(_, text)| text.starts_with(&marker)).count()
    };
    assert_eq!((headed("web"), headed("worker"), comments.len()), (1, 1, 2), "{comments:?}");
    let both: Vec<String> = comments.iter().map(|(_, text)| timeless(text)).collect();
    insta::assert_snapshot!("two_services_comments", both.join("\n--- the other\n"));
}

#[test]
fn a_run_that_is_killed_before_it_began_anything_is_told_as_that() {
    let waiting = code_deploy().tick(0).active_deployment("AllowTraffic");
    let command = World::fargate("badgery", "web").rolling(Breaker::Rollback).fault(Fault::OneOffHangs);
    for (name, world, word) in [
        ("comment_killed_in_the_queue", waiting, "waiting for the end of deployment"),
        ("comment_killed_in_a_command", command, "` runs `bin/migrate"),
    ] {
        let run = Run::of(world);
        let file = std::fs::read_to_string(run.cloud.folder().join("deploy.yml")).expect("reads");
        if name.ends_with("command") {
            run.cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
        }
        let before = run.serving();
        run.killed(word);
        let post = run.post();
        assert_eq!(post.code, 0, "{name}: {}", post.log());
        assert_eq!(run.serving(), before, "{name}: {}", post.log());
        for operation in ["CreateDeployment", "UpdateService"] {
            assert!(run.cloud.aws.exchanges_of(operation).is_empty(), "{name}: {}", post.log());
        }
        let stopped = usize::from(name.ends_with("command"));
        assert_eq!(run.cloud.aws.exchanges_of("StopTask").len(), stopped, "{name}: {}", post.log());
        let transcript = outline(Some(post.code), &post.log());
        insta::assert_snapshot!(name, format!("{transcript}--- comment\n{}", run.comment()));
    }
}

/// Nobody waits for it any more, and GitHub shows nothing of it.
#[test]
fn a_command_whose_run_is_killed_is_stopped_although_github_was_told_nothing() {
    let hangs = || World::fargate("badgery", "web").rolling(Breaker::Rollback).fault(Fault::OneOffHangs);
    let ends = World::fargate("badgery", "web").rolling(Breaker::Rollback).tick(0);
    let denied = |call| move |world: &mut World| world.faults.push(Fault::Denied(call));
    type Then<'a> = &'a dyn Fn(&mut World);
    let cases: [(&str, World, Then<'_>, usize); 4] = [
        ("stopped", hangs(), &|_| {}, 1),
        ("over", ends, &|world| world.advance(600), 0),
        ("unseen", hangs(), &denied("ecs:ListTasks"), 0),
        ("kept", hangs(), &denied("ecs:StopTask"), 1),
    ];
    for (name, world, then, stops) in cases {
        let run = Run::of(world);
        let file = std::fs::read_to_string(run.cloud.folder().join("deploy.yml")).expect("reads");
        run.cloud.file("deploy.yml", &file.replace("    target:", &format!("{BEFORE}    target:")));
        run.killed_with(&mut run.job_without_token(), &[("image", IMAGE)], "` runs `bin/migrate");
        run.cloud.aws.with(then);
        let post = run.post_of(&mut run.job_without_token());
        assert_eq!(post.code, 0, "{name}: {}", post.log());
        assert_eq!(run.cloud.aws.exchanges_of("StopTask").len(), stops, "{name}: {}", post.log());
        insta::assert_snapshot!(format!("command_without_github_{name}"), outline(Some(post.code), &post.log()));
    }
}
