//! What the plan saw of the compose files must still be so when the traffic goes to containers that were made from them.

use super::{Fault, Swap};
use crate::agent::compose::{Stamp, With};
use crate::agent::facts::{Facts, FactsError};
use crate::domain::Reason;

/// What was true when the deployment was accepted.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Everything that was read: compose is asked once, for each of its calls takes a while.
    pub facts: Facts,
    /// Of the compose files, taken before they were read, so that no edit is missed.
    pub stamp: Stamp,
}

impl Swap {
    /// Asks compose only where the files were touched: a call of it takes a while. What a resumed swap was planned for is
    /// not known; it goes back, or is past the moment where it matters.
    pub(super) async fn as_planned(&self) -> Result<(), Fault> {
        let compose = &self.site.compose;
        let Some(planned) = self.planned.as_ref().filter(|planned| planned.stamp != compose.stamp()) else {
            return Ok(());
        };
        let resolved = compose.resolve(With::Live).await.map_err(FactsError::from)?;
        let hash = compose.hash(&resolved, &self.service).await.map_err(FactsError::from)?;
        if hash == planned.facts.hash {
            return Ok(());
        }
        Err(Fault::new(
            Reason::ChangedUnderneath,
            format!(
                "the compose files ask for another configuration of {} than when the deployment began",
                self.service
            ),
        )
        .hint("let nobody edit them during a deployment, then deploy again"))
    }
}
