//! Follows a deployment at AWS until it ends, whoever does it, and lets go of it well.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::keys::{Hope, Keys, RENEWED, asked};
use super::left_running;
use super::pace::{Pace, rest};
use crate::clients::aws::{Aws, AwsError};
use crate::domain::{Reason, show_span};
use crate::event::{DeployEvent, Phase};
use crate::execute::{Context, Emitter};
use crate::failure::{Failure, Kind};
use crate::plan::ecs::{OnCancel, Poll, Rollout};

/// How long a cancelled run still watches, from its first signal on: a runner kills the step 7.5 s after it.
const LET_GO: Duration = Duration::from_secs(4);
/// So long it watches at least, also where its begin was answered late: the deployment has to be told to stop.
const AT_LEAST: Duration = Duration::from_secs(2);
/// Longest pause between two looks at a deployment that was told to stop.
const STOPPING: Duration = Duration::from_secs(1);

/// Where a deployment is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// It goes on.
    Goes,
    /// It did what is waited for; the text ends a sentence with what is left.
    Done(&'static str),
    /// It failed, or was stopped.
    Failed(Fault),
}

impl Next {
    /// Nothing is left that could be deployed.
    pub(super) fn deleted() -> Self {
        let why = "the service was deleted".to_owned();
        Self::Failed(Fault { reason: Reason::DeploymentFailed, why, rollback: None })
    }
}

/// Why it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: Reason,
    /// One sentence, which may repeat AWS's words.
    pub(super) why: String,
    /// What goes back, by its name, as far as it is known.
    pub(super) rollback: Option<String>,
}

/// A deployment that can be followed.
pub(super) trait Deployment {
    /// Who does it.
    const WHO: &'static str;

    /// Its name at AWS.
    fn name(&self) -> &str;

    /// Looks once, and tells what is new.
    async fn look(&mut self, events: &mut Emitter) -> Result<Next, AwsError>;

    /// Asks for its end; what it did is undone. False where it was at its end, or is not ours to end.
    async fn stop(&mut self) -> Result<bool, AwsError>;

    /// The phase that it is in.
    fn phase(&self) -> Option<Phase>;

    /// Whether some traffic went to the new tasks: from then on a cancellation lets it finish.
    fn shifting(&self) -> bool;

    /// Whether it undoes another one.
    fn goes_back(&self) -> bool {
        false
    }

    /// Whether the version from before comes back: to stop that would at best change nothing.
    fn is_going_back(&self) -> bool {
        self.goes_back() || self.phase() == Some(Phase::Back)
    }

    /// Who has the traffic.
    fn serves(&self) -> &'static str;
}

/// How the following ended.
pub(super) struct Followed {
    pub(super) next: Next,
    /// Whether it was asked to stop by this run.
    pub(super) stopped: bool,
    /// Whether some traffic had gone to the new tasks, when it was asked to stop or else at its end.
    pub(super) shifted: bool,
}

impl Followed {
    /// Why it was undone, where it was stopped.
    pub(super) fn stopped_when(&self) -> &'static str {
        if self.shifted { "stopped while the traffic shifted" } else { "stopped before the traffic shifted" }
    }
}

/// The end of watching after a cancellation.
#[derive(Debug, Clone, Copy)]
struct LettingGo {
    until: Instant,
    course: Course,
    /// Whether some traffic had gone to the new tasks by then.
    shifted: bool,
}

/// What becomes of the deployment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Course {
    /// It was told to stop.
    Stops,
    /// It was let finish.
    Finishes,
    /// It was at its end, or is not ours to end.
    Over,
    /// It was going back by itself.
    Back,
}

/// When a run that was cancelled stops watching.
fn let_go_until(cx: &Context<'_>) -> Instant {
    (cx.cancel.since() + LET_GO).max(Instant::now() + AT_LEAST)
}

/// Whether a cancelled deployment is stopped.
pub(super) const fn stops(on_cancel: OnCancel, shifting: bool) -> bool {
    match on_cancel {
        OnCancel::BeforeShift => !shifting,
        OnCancel::RollBack => true,
        OnCancel::Finish => false,
    }
}

/// Looks until the deployment is at its end, or there is no time left.
pub(super) async fn follow(
    deployment: &mut impl Deployment,
    rollout: &Rollout,
    aws: &Aws,
    cx: &mut Context<'_>,
) -> Result<Followed, Failure> {
    let pace = Pace::new(rollout.poll);
    let mut watch = Watch { deployment, rollout, aws, pace, lost: false, keys: Keys::default(), letting_go: None };
    if watch.deployment.goes_back() && cx.cancel.is_asked() {
        watch.letting_go = Some(LettingGo { until: let_go_until(cx), course: Course::Stops, shifted: true });
    }
    loop {
        if watch.letting_go.is_none() && cx.cancel.is_asked() {
            // The last look may be old: what is decided now rests on a new one.
            if let Some(next) = watch.look_anew(cx).await
                && next != Next::Goes
            {
                return Ok(watch.ended(next));
            }
            watch.let_go(cx).await?;
        }
        let until = watch.letting_go.map_or(cx.deadline, |letting_go| letting_go.until.min(cx.deadline));
        let looked = tokio::select! {
            looked = timeout_at(until, watch.deployment.look(&mut cx.events)) => looked,
            () = cx.cancel.second() => return Err(watch.left()),
        };
        match looked {
            Ok(Ok(next)) => {
                watch.answered(cx);
                if next != Next::Goes {
                    return Ok(watch.ended(next));
                }
            }
            Ok(Err(error)) => watch.trouble(&error, cx).await?,
            Err(_) => return Err(watch.out_of_time(cx)),
        }
        rest(watch.pace.pause(), until, &cx.cancel, watch.letting_go.is_some()).await;
        if Instant::now() >= until {
            return Err(watch.out_of_time(cx));
        }
    }
}

struct Watch<'a, D> {
    deployment: &'a mut D,
    rollout: &'a Rollout,
    aws: &'a Aws,
    pace: Pace,
    /// True while AWS does not answer.
    lost: bool,
    keys: Keys,
    letting_go: Option<LettingGo>,
}

impl<D: Deployment> Watch<'_, D> {
    fn ended(&self, next: Next) -> Followed {
        let stopped = self.letting_go.is_some_and(|letting_go| letting_go.course == Course::Stops);
        let shifted = self.letting_go.map_or_else(|| self.deployment.shifting(), |letting_go| letting_go.shifted);
        Followed { next, stopped, shifted }
    }

    /// One look of a run that was asked to end. Credentials that ran out since the last one are searched for anew.
    async fn look_anew(&mut self, cx: &mut Context<'_>) -> Option<Next> {
        let until = let_go_until(cx);
        let looking = async {
            loop {
                match self.deployment.look(&mut cx.events).await {
                    Ok(next) => return Some(next),
                    Err(error) => match self.keys.trouble(&error, self.aws).await {
                        Ok(Hope::Renewed) => cx.events.note(RENEWED),
                        Ok(Hope::Late | Hope::Nothing) | Err(_) => return None,
                    },
                }
            }
        };
        timeout_at(until, looking).await.ok().flatten()
    }

    fn answered(&mut self, cx: &mut Context<'_>) {
        if self.lost {
            cx.events.note("AWS answers again");
        }
        self.lost = false;
        self.keys.work();
    }

    /// Trouble that passes is waited out; credentials that ran out are searched for anew, once for each time they do.
    async fn trouble(&mut self, error: &AwsError, cx: &mut Context<'_>) -> Result<(), Failure> {
        let name = self.deployment.name();
        let hope = self.keys.trouble(error, self.aws).await;
        let hope = hope.map_err(|failure| left_running(D::WHO, name, error).because(failure))?;
        if hope == Hope::Renewed {
            cx.events.note(RENEWED);
            return Ok(());
        }
        if hope == Hope::Nothing && !error.passes() {
            return Err(left_running(D::WHO, name, error));
        }
        if !self.lost {
            self.lost = true;
            let how =
                if hope == Hope::Late { "asks for credentials again" } else { "keeps looking until its deadline" };
            cx.events.note(format!("{error}; the deployment goes on there, and this run {how}"));
        }
        Ok(())
    }

    /// The first signal: before the traffic shifts, or as it is configured, the deployment is told to stop and to go back.
    async fn let_go(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let until = let_go_until(cx);
        let shifting = self.deployment.shifting();
        if self.deployment.is_going_back() {
            cx.events.note(format!("cancelled while {} goes back: it goes on with that", D::WHO));
            self.letting_go = Some(LettingGo { until, course: Course::Back, shifted: shifting });
            return Ok(());
        }
        if !stops(self.rollout.on_cancel, shifting) {
            let when = if shifting { "while the traffic shifts" } else { "and `on_cancel` is `finish`" };
            cx.events.note(format!("cancelled {when}: {} finishes the deployment", D::WHO));
            self.letting_go = Some(LettingGo { until, course: Course::Finishes, shifted: shifting });
            return Ok(());
        }
        cx.events
            .note(format!("cancelling: {} is asked to stop the deployment; a second signal leaves it alone", D::WHO));
        let stop = asked(self.aws, &mut cx.events, async || self.deployment.stop().await);
        let answer = tokio::select! {
            answer = timeout_at(until, stop) => answer,
            () = cx.cancel.second() => return Err(self.left()),
        };
        match answer {
            Ok(Ok(false)) => {
                self.letting_go = Some(LettingGo { until, course: Course::Over, shifted: shifting });
                return Ok(());
            }
            Ok(Ok(true)) => {
                let what = if shifting { "and the traffic goes back" } else { "before the traffic shifts" };
                cx.events.note(format!("{} stops the deployment {what}", D::WHO));
            }
            Ok(Err(error)) => return Err(self.left().because(error)),
            Err(_) => return Err(self.left()),
        }
        self.letting_go = Some(LettingGo { until, course: Course::Stops, shifted: shifting });
        let poll = self.rollout.poll;
        self.pace = Pace::new(Poll { first: poll.first.min(STOPPING), slowest: poll.slowest.min(STOPPING) });
        Ok(())
    }

    fn out_of_time(&self, cx: &Context<'_>) -> Failure {
        if self.letting_go.is_some() {
            return self.left();
        }
        let phase = self.deployment.phase().map(|phase| format!(" in phase `{}`", phase.as_str())).unwrap_or_default();
        Failure::new(
            Reason::TimedOut,
            format!(
                "deployment `{}` did not end within {}; it was left running{phase}: {}",
                self.deployment.name(),
                show_span(cx.timeout),
                self.deployment.serves()
            ),
        )
        .hint(format!(
            "{} finishes it or goes back by its own rules; `deploy-action status <environment>` shows what serves. Raise the timeout if it only needs longer",
            D::WHO
        ))
    }

    /// Leaving while the deployment runs on.
    fn left(&self) -> Failure {
        let name = self.deployment.name();
        let message = match self.letting_go.map(|letting_go| letting_go.course) {
            Some(_) if self.deployment.goes_back() => format!("cancelled: {} goes back by deployment `{name}`", D::WHO),
            Some(Course::Stops) => {
                format!("cancelled: {} was told to stop deployment `{name}` and is going back", D::WHO)
            }
            Some(Course::Back) => format!("cancelled: {} was going back from deployment `{name}` by itself", D::WHO),
            Some(Course::Over) => {
                format!("cancelled: deployment `{name}` was at its end, or somebody else's followed")
            }
            Some(Course::Finishes) if self.deployment.shifting() => {
                format!("cancelled, but the traffic was shifting: {} finishes deployment `{name}`", D::WHO)
            }
            Some(Course::Finishes) => format!("cancelled: {} finishes deployment `{name}`", D::WHO),
            None => format!("left deployment `{name}`: {} finishes it or goes back by its own rules", D::WHO),
        };
        Failure::new(Reason::Cancelled, message)
            .kind(Kind::Cancelled)
            .hint("`deploy-action status <environment>` shows what serves")
    }
}

/// Tells phases one after the other, each with the time that it took.
#[derive(Debug)]
pub(super) struct Phases {
    current: Option<(Phase, Instant)>,
    done: Vec<Phase>,
}

impl Phases {
    pub(super) fn new() -> Self {
        Self { current: None, done: Vec::new() }
    }

    pub(super) fn current(&self) -> Option<Phase> {
        self.current.map(|(phase, _)| phase)
    }

    /// Ends the phase before and begins the next. One that ended does not begin anew: looks may be stale.
    pub(super) fn to(&mut self, phase: Option<Phase>, events: &mut Emitter) {
        if phase == self.current() || phase.is_some_and(|phase| self.done.contains(&phase)) {
            return;
        }
        if let Some((before, began)) = self.current.take() {
            self.done.push(before);
            let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            events.tell(DeployEvent::PhaseFinished { phase: before, took_ms });
        }
        if let Some(phase) = phase {
            events.tell(DeployEvent::PhaseStarted { phase });
            self.current = Some((phase, Instant::now()));
        }
    }
}
