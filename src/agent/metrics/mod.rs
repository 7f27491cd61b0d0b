//! Numbers for Prometheus: what the state knows, read anew for every scrape, and how long phases took since the agent
//! started. Drift costs calls of compose, so it is looked at once in 30 s at most.

mod door;
mod render;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::app::App;
use crate::domain::{AppName, DeploymentId, ServiceName};

pub use door::serve;
pub use render::PhaseTimes;
use render::{Row, render};

/// Time for which a look at drift counts, unless a deployment ended since.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Longest part of a scrape that goes into looking; Prometheus gives up after 10 s by default.
const LOOKING: Duration = Duration::from_secs(5);

/// What the state knows of one service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Ended deployments by the word of their outcome, ever.
    pub outcomes: BTreeMap<String, u64>,
    /// The release that serves.
    pub release: Option<u64>,
    /// When a deployment last ended well.
    pub last_success: Option<Timestamp>,
    /// The newest deployment that ended.
    pub last: Option<DeploymentId>,
    /// True while a deployment of it runs.
    pub in_progress: bool,
}

/// A look at what differs from what was deployed.
#[derive(Debug, Clone)]
struct Look {
    taken: Instant,
    at: Timestamp,
    /// The newest deployment that had ended then.
    last: Option<DeploymentId>,
    codes: Vec<String>,
}

/// Everything that a scrape asks.
#[derive(Debug)]
pub struct Metrics {
    agent_id: String,
    phases: PhaseTimes,
    apps: Vec<Arc<App>>,
    /// Applications that are not served.
    closed: Vec<AppName>,
    looks: Mutex<BTreeMap<(AppName, ServiceName), Look>>,
}

impl Metrics {
    /// Of these applications, which record their phases in `phases`; `closed` are those that are not served.
    #[must_use]
    pub fn new(agent_id: &str, phases: PhaseTimes, apps: Vec<Arc<App>>, closed: Vec<AppName>) -> Self {
        Self { agent_id: agent_id.to_owned(), phases, apps, closed, looks: Mutex::default() }
    }

    /// The exposition, as Prometheus reads it.
    pub async fn text(&self) -> String {
        let mut rows = Vec::new();
        for app in &self.apps {
            for service in app.site.config.services.keys() {
                let numbers = app.numbers(service).await;
                rows.push(Row { app: app.site.app.clone(), service: service.clone(), numbers, drift: None });
            }
        }
        // A second scrape waits here for the first one's looks instead of taking its own.
        let mut looks = self.looks.lock().await;
        self.look(&rows, &mut looks).await;
        for row in &mut rows {
            let look = looks.get(&(row.app.clone(), row.service.clone()));
            row.drift = look.map(|look| (look.at, look.codes.clone()));
        }
        drop(looks);
        render(&self.agent_id, &self.phases, &rows, &self.closed)
    }

    /// Takes the looks that are due, the oldest first, for as long as a scrape may wait. What is not reached, or cannot be
    /// looked at, keeps its earlier look with its time.
    async fn look(&self, rows: &[Row], looks: &mut BTreeMap<(AppName, ServiceName), Look>) {
        let key = |row: &Row| (row.app.clone(), row.service.clone());
        let fresh = |row: &Row, look: &Look| look.taken.elapsed() < LOOK_EVERY && look.last == row.numbers.last;
        // In the middle of a deployment everything differs from what was deployed before.
        let busy = |row: &Row| rows.iter().any(|other| other.app == row.app && other.numbers.in_progress);
        let mut due: Vec<&Row> =
            rows.iter().filter(|row| !busy(row) && looks.get(&key(row)).is_none_or(|look| !fresh(row, look))).collect();
        due.sort_by_key(|row| looks.get(&key(row)).map(|look| look.taken));
        let until = Instant::now() + LOOKING;
        for row in due {
            let Some(app) = self.apps.iter().find(|app| app.site.app == row.app) else { continue };
            let status = tokio::time::timeout_at(until, app.status(&row.service, None, false)).await;
            let Ok(Ok(status)) = status else { continue };
            // One that was taken on meanwhile: what was seen is half of it.
            if status.holder.is_some() {
                continue;
            }
            let codes = status.drift.into_iter().map(|drift| drift.code).collect();
            let (taken, at, last) = (Instant::now(), Timestamp::now(), row.numbers.last.clone());
            looks.insert(key(row), Look { taken, at, last, codes });
        }
    }
}
