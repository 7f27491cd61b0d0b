//! The exposition itself, in the text format that every scraper of Prometheus metrics reads.

use std::sync::atomic::AtomicU64;

use jiff::Timestamp;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::Numbers;
use crate::agent::facts::DRIFT;
use crate::domain::{AppName, ServiceName};
use crate::event::{DeployEvent, Outcome, Phase, Stamped};

/// Upper bounds of the phases' histogram in seconds: from a switch to the longest pull.
const BUCKETS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0];
/// How a deployment of this agent can end: each is there from the start, so that its first increase is seen.
const OUTCOMES: [Outcome; 4] = [Outcome::Deployed, Outcome::RolledBack, Outcome::Stranded, Outcome::Cancelled];

type Labels = Vec<(&'static str, String)>;

/// How long phases took that ended well, since the agent started.
#[derive(Debug, Clone)]
pub struct PhaseTimes(Family<Labels, Histogram, fn() -> Histogram>);

impl Default for PhaseTimes {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(BUCKETS)))
    }
}

impl PhaseTimes {
    /// Takes the events of one deployment in.
    pub fn observe(&self, app: &AppName, service: &ServiceName, events: &[Stamped]) {
        for event in events {
            let DeployEvent::PhaseFinished { phase, took_ms } = event.event else { continue };
            let seconds = std::time::Duration::from_millis(took_ms).as_secs_f64();
            self.of(app, service, phase).observe(seconds);
        }
    }

    fn of(&self, app: &AppName, service: &ServiceName, phase: Phase) -> Histogram {
        let mut labels = labels(app, service);
        labels.push(("phase", phase.as_str().to_owned()));
        self.0.get_or_create(&labels).clone()
    }
}

/// One service of a scrape.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) app: AppName,
    pub(super) service: ServiceName,
    pub(super) numbers: Numbers,
    /// When it was last looked at, and what differed.
    pub(super) drift: Option<(Timestamp, Vec<String>)>,
}

fn labels(app: &AppName, service: &ServiceName) -> Labels {
    vec![("app", app.to_string()), ("service", service.to_string())]
}

/// Seconds since 1970, as Prometheus counts time.
fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

/// Writes everything down.
pub(super) fn render(agent_id: &str, phases: &PhaseTimes, rows: &[Row], closed: &[AppName]) -> String {
    let ended = Family::<Labels, Counter>::default();
    let running = Family::<Labels, Gauge>::default();
    let release = Family::<Labels, Gauge<u64, AtomicU64>>::default();
    let success = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let drift = Family::<Labels, Gauge>::default();
    let looked = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    let unread = Family::<Labels, Gauge>::default();
    for app in closed {
        unread.get_or_create(&vec![("app", app.to_string())]).set(1);
    }
    for row in rows {
        let own = labels(&row.app, &row.service);
        let with = |name: &'static str, value: &str| [own.clone(), vec![(name, value.to_owned())]].concat();
        for word in OUTCOMES.map(Outcome::as_str) {
            ended.get_or_create(&with("outcome", word)).inc_by(row.numbers.outcomes.get(word).copied().unwrap_or(0));
        }
        running.get_or_create(&own).set(i64::from(row.numbers.in_progress));
        release.get_or_create(&own).set(row.numbers.release.unwrap_or(0));
        if let Some(at) = row.numbers.last_success {
            success.get_or_create(&own).set(seconds(at));
        }
        if let Some((at, codes)) = &row.drift {
            looked.get_or_create(&own).set(seconds(*at));
            for code in DRIFT {
                let differs = codes.iter().any(|found| found == code);
                drift.get_or_create(&with("code", code)).set(i64::from(differs));
            }
        }
    }
    let about = vec![("version", env!("CARGO_PKG_VERSION").to_owned()), ("agent_id", agent_id.to_owned())];
    let mut registry = Registry::with_prefix("deploy_agent");
    registry.register("build", "The agent that answers", Info::new(about));
    registry.register("deployments", "Deployments that ended, by outcome", ended);
    registry.register("deployment_in_progress", "1 while a deployment of the service runs", running);
    let took = "How long phases took that ended well, since the agent started";
    registry.register_with_unit("phase_duration", took, Unit::Seconds, phases.0.clone());
    registry.register("application_closed", "1 where its state cannot be read, so that it is not served", unread);
    registry.register("release", "Number of the release that serves, 0 where the agent deployed none", release);
    let when = "When a deployment last ended well";
    registry.register_with_unit("last_success_timestamp", when, Unit::Seconds, success);
    registry.register("drift", "1 where what runs is not what was deployed, by kind of difference", drift);
    registry.register_with_unit("drift_checked_timestamp", "When drift was last looked at", Unit::Seconds, looked);
    let mut text = String::new();
    // A string takes everything.
    let _ = encode(&mut text, &registry);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_by_application_and_service() {
        let (app, service): (AppName, ServiceName) = ("shop".parse().expect("a name"), "web".parse().expect("a name"));
        let phases = PhaseTimes::default();
        let stamped = |phase, took_ms| Stamped {
            seq: 1,
            at: Timestamp::UNIX_EPOCH,
            event: DeployEvent::PhaseFinished { phase, took_ms },
        };
        let begun = DeployEvent::PhaseStarted { phase: Phase::Gate };
        let begun = Stamped { seq: 2, at: Timestamp::UNIX_EPOCH, event: begun };
        phases.observe(&app, &service, &[stamped(Phase::Pull, 2_400), begun, stamped(Phase::Switch, 90)]);
        phases.observe(&app, &service, &[stamped(Phase::Pull, 700_000)]);
        let at = Timestamp::from_millisecond(1_764_000_000_250).expect("a time");
        let numbers = Numbers {
            outcomes: [("deployed".to_owned(), 3), ("rolled_back".to_owned(), 1)].into(),
            release: Some(4),
            last_success: Some(at),
            last: None,
            in_progress: true,
        };
        let drift = Some((at, vec!["unrouted".to_owned()]));
        let known = Row { app: app.clone(), service, numbers, drift };
        let new = Row { app, service: "worker".parse().expect("a name"), numbers: Numbers::default(), drift: None };
        // The order of a family's members is not defined.
        let text = render("vps-1", &phases, &[known, new], &["billing".parse().expect("a name")]);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
