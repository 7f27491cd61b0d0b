//! What users get, by Traefik's own count: a version may look well to its probe and fail everybody else.

use std::time::Instant;

use super::{Fault, Swap};
use crate::agent::proxy::traefik::metrics::{Judge, read};
use crate::domain::Reason;

/// Traefik's count of the route's answers, watched.
#[derive(Debug)]
pub(super) struct ErrorWatch {
    url: String,
    services: Vec<String>,
    judge: Judge,
}

impl Swap {
    /// Begins to watch; `None` where there is no route, no metrics endpoint, or `max_5xx: 100%`.
    pub(super) async fn error_watch(&self) -> Option<ErrorWatch> {
        let (traefik, route) = self.site.traefik.as_ref().zip(self.job.route_of_new())?;
        if self.config.max_5xx >= 100 {
            return None;
        }
        let url = traefik.config.metrics.clone();
        let services: Vec<String> = route.services.keys().map(|name| format!("{name}@file")).collect();
        match read(&self.site.http, &url, &services).await {
            Ok(answers) => {
                let judge = Judge::new(self.config.max_5xx, answers, Instant::now());
                Some(ErrorWatch { url, services, judge })
            }
            Err(error) => {
                self.note(format!("what users get is not watched: Traefik's metrics cannot be read: {error}; `agent doctor` says how they can be"));
                None
            }
        }
    }

    /// Looks at what came since. A count that cannot be read says nothing about the version.
    pub(super) async fn look_at_answers(&self, watch: &mut ErrorWatch) -> Result<(), Fault> {
        let Ok(answers) = read(&self.site.http, &watch.url, &watch.services).await else { return Ok(()) };
        let Some(bad) = watch.judge.take(answers, Instant::now()) else { return Ok(()) };
        Err(Fault::new(
            Reason::VerifyFailed,
            format!(
                "{} of {} requests within the verify window were answered with a status of 500 or above ({:.0} %; `max_5xx` is {} %)",
                bad.errors,
                bad.all,
                bad.percent(),
                self.config.max_5xx
            ),
        )
        .hint("the new version's last log lines say why; `max_5xx` of the service in agent.yml is the limit"))
    }
}
