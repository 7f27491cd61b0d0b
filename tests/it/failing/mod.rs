//! Deployments that cannot succeed: never a success, the version from before serves, and one sentence says why.

mod host;
mod proxy;
mod versions;

use std::fmt::Write;
use std::thread;

use crate::bad_input::transcript::Plain;
use crate::stage::{Run, Setting, Stage};

/// A stage and what its failed deployments said.
struct Scene {
    stage: Stage,
    plain: Plain,
    told: String,
}

impl Scene {
    fn set(setting: Setting) -> Self {
        let mut stage = Stage::set(setting);
        let plain = Plain::of(&mut stage.bed);
        Self { stage, plain, told: String::new() }
    }

    /// It failed for this reason, version 1 alone is there and serves, and why is one sentence.
    #[track_caller]
    fn failed(&mut self, case: &str, run: &Run, code: i32, reason: &str) {
        self.refused(case, run, code, reason);
        self.stage.wait("version 1 to serve", || self.stage.serves("v1"));
        assert_eq!(self.stage.containers("web").len(), 1, "{case}: {}", run.shown());
    }

    /// The same, but whether version 1 serves is not for us to say.
    #[track_caller]
    fn refused(&mut self, case: &str, run: &Run, code: i32, reason: &str) {
        assert_eq!((run.code, run.reason()), (code, reason), "{case}: {}", run.shown());
        let text = |member: &str| self.plain.tidy(run.result()[member].as_str().unwrap_or_default());
        let (message, hint) = (text("message"), text("hint"));
        assert!(!message.is_empty() && !message.contains(['\n', '\r']) && !message.contains(". "), "{case}: {message}");
        assert!(!hint.is_empty(), "{case}: {}", run.shown());
        writeln!(self.told, "{case}\n  exit {code}, {reason}\n  {message}\n  {hint}\n").expect("a text grows");
    }
}

/// Deploys, and does something once this is so.
fn deploy_meanwhile(stage: &Stage, image: &str, what: &str, mut so: impl FnMut() -> bool, act: impl FnOnce()) -> Run {
    thread::scope(|scope| {
        let deploying = scope.spawn(|| stage.deploy(image));
        stage.wait(what, &mut so);
        act();
        deploying.join().expect("no panic")
    })
}

/// Whether the new version's container runs beside the old one's.
fn new_one_runs(stage: &Stage) -> bool {
    stage.containers("web").iter().filter(|container| container.state == "running").count() == 2
}
