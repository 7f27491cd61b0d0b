//! The command that runs before the new version starts: a container of the new image that must end with 0, while the old
//! version serves as before.

use std::time::Duration;

use tokio::time::Instant;

use super::create::{QUIET, compose_fault};
use super::{Fault, LOOK, Swap};
use crate::agent::compose::ComposeError;
use crate::agent::store::{Member, Record};
use crate::agent_api::BeforeDeploy;
use crate::clients::docker::{Container, DockerError};
use crate::domain::{Reason, one_line, show_span};
use crate::event::Phase;

/// Longest command that is repeated, in characters.
const SHOWN: usize = 200;
/// Lines of a log that are told of a command that ended well.
const LINES: usize = 20;
/// Longest that a command which is ended gets to end by itself.
const GRACE: Duration = Duration::from_secs(30);

fn failed(message: String) -> Fault {
    Fault::new(Reason::BeforeDeployFailed, message)
}

impl Swap {
    pub(super) async fn before_deploy(&mut self, before: &BeforeDeploy) -> Result<(), Fault> {
        if self.cancel.is_cancelled() {
            return Err(Fault::cancelled());
        }
        let began = self.begin(Phase::BeforeDeploy);
        self.record(Record::Preparing)?;
        // It may take hours, in which the old version's containers may come and go.
        self.routes.let_go();
        let ran = self.run_before(before).await;
        self.routes.take().await;
        ran?;
        self.end(Phase::BeforeDeploy, began);
        Ok(())
    }

    async fn run_before(&self, before: &BeforeDeploy) -> Result<(), Fault> {
        let (name, command) = (self.one_off(), one_line(&before.command.join(" "), SHOWN));
        let hostname = format!("before-{}", self.job.accepted.deployment);
        let written = self.site.compose.write_once(&self.candidate_images(), &self.service, &hostname);
        written.map_err(compose_fault)?;
        self.note(format!("container {name} runs `{command}`"));
        let limit = Duration::from_millis(before.timeout_ms);
        // Counted from before its start, which is part of what takes time.
        let until = Instant::now() + limit;
        let started = self.site.compose.run_once(&self.service, &name, &before.command, &self.site.lock).await;
        if let Err(error) = started {
            if matches!(error, ComposeError::TimedOut(_)) {
                self.may_appear(&name).await;
            }
            let fault = self.call_fault(error).await;
            if fault.reason != Reason::ComposeFailed {
                return Err(fault);
            }
            return Err(failed(format!("`{command}` could not be started: {}", fault.message))
                .hint("check that the image has this program; no shell reads the command"));
        }
        let container = self.site.engine.container(&name).await?;
        let member = Member { id: container.id.clone(), name, address: None };
        let Some(ended) = self.cancellable(self.one_off_ended(&member, until)).await? else {
            self.diagnose(&member).await;
            return Err(failed(format!("`{command}` did not end within {}", show_span(limit)))
                .hint("raise `before_deploy.timeout` in deploy.yml, or let the command do less"));
        };
        if ended.exit_code != Some(0) {
            self.diagnose(&member).await;
            let code = ended.exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            let meaning = ended.exit_meaning().map(|meaning| format!(" ({meaning})")).unwrap_or_default();
            return Err(failed(format!("`{command}` ended with {code}{meaning}; the new version was not started"))
                .hint("its last lines are above; mend what it names, then deploy again"));
        }
        for line in self.site.engine.last_lines(&member.id, LINES).await {
            self.note(format!("| {line}"));
        }
        self.remove_one_off().await.map(|_| ())
    }

    /// Waits for the end; `None` where that takes too long. An engine that does not answer says nothing about the command.
    async fn one_off_ended(&self, member: &Member, until: Instant) -> Result<Option<Container>, Fault> {
        loop {
            match self.site.engine.container(&member.id).await {
                Ok(container) if container.ended() => return Ok(Some(container)),
                Ok(_) | Err(DockerError::Unavailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            if Instant::now() >= until {
                return Ok(None);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The engine may still finish what a call of compose asked it for that was ended.
    async fn may_appear(&self, name: &str) {
        let until = Instant::now() + QUIET;
        while Instant::now() < until && self.site.engine.container(name).await.is_err() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Its container's name, by which it is found again.
    pub(super) fn one_off(&self) -> String {
        let (project, service) = (self.site.compose.project(), &self.service);
        format!("{project}-{service}-before-{}", self.job.accepted.deployment)
    }

    /// Takes its container away; false where there is none. One that still runs is asked to end first: it may have something
    /// to put in order.
    pub(super) async fn remove_one_off(&self) -> Result<bool, Fault> {
        match self.site.engine.container(&self.one_off()).await {
            Ok(container) => {
                if container.running() {
                    self.site.engine.stop(&container.id, container.stop_timeout.min(GRACE)).await?;
                }
                self.site.engine.remove(&container.id).await?;
                Ok(true)
            }
            Err(DockerError::NotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
