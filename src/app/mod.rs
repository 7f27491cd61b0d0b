//! The composition root: load, observe, plan, then render or execute, then report.

mod access;
mod action;
mod agent;
mod approve;
mod checked_out;
mod deploy;
mod earlier;
mod early;
mod image;
mod load;
mod orphans;
mod payload;
mod place;
mod post;
mod settings;
mod state;
mod task;
mod telling;
mod views;

use std::process::ExitCode;

use crate::cli::{Cli, Command, Entry, Files};
use crate::domain::Reason;
use crate::env::Env;
use crate::execute::Cancel;
use crate::failure::Failure;
use crate::trigger::Trigger;

/// Longest sentence that is printed, in characters.
const SHOWN: usize = 500;

/// Runs what the program was started for to its end. What the action and its post step have to say they said themselves.
///
/// # Errors
/// Of a command: to be printed; its kind is the exit code.
pub async fn run(entry: &Entry, env: &Env, cancel: Cancel) -> Result<ExitCode, Failure> {
    orphans::adopt();
    match entry {
        Entry::Action => {
            let code = |failure: Failure| ExitCode::from(failure.kind.exit_code());
            return Ok(action::run(env, cancel).await.map_or_else(code, |()| ExitCode::SUCCESS));
        }
        Entry::Post => post::run(env, &cancel).await,
        Entry::Command(cli) => command(cli, env, cancel).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn command(cli: &Cli, env: &Env, cancel: Cancel) -> Result<(), Failure> {
    let files = match &cli.command {
        Command::Agent(command) => return agent::run(command, env, cancel).await,
        Command::Plan { place, .. }
        | Command::Deploy { place, .. }
        | Command::Rollback { place, .. }
        | Command::Status { place, .. }
        | Command::History { place, .. }
        | Command::Approve { place, .. }
        | Command::IamPolicy { place, .. } => &place.files,
        Command::Verify { files, .. } => files,
    };
    let Some(trigger) = Trigger::from_argv(&cli.command) else { return Ok(()) };
    match trigger {
        Trigger::Deploy(wanted) => deploy::run(&wanted, files, env, cancel).await,
        other => {
            // Nothing but reads, and one answer: a signal ends them at once.
            let cancelled = match other {
                Trigger::Approve { .. } => "cancelled; whether the answer arrived is shown by `status`",
                _ => "cancelled; nothing was changed",
            };
            tokio::select! {
                result = short(&other, files, env) => result,
                () = cancel.first() => Err(Failure::new(Reason::Cancelled, cancelled)),
            }
        }
    }
}

async fn short(trigger: &Trigger, files: &Files, env: &Env) -> Result<(), Failure> {
    match trigger {
        Trigger::Plan { environment, want, format } => views::plan(environment, want, *format, files, env).await,
        Trigger::Status { environment, format } => views::status(environment, *format, files, env).await,
        Trigger::History { environment, format } => views::history(environment, *format, files, env).await,
        Trigger::Approve { environment, reject } => approve::run(environment, !reject, files, env).await,
        Trigger::IamPolicy { environment, repository } => views::iam_policy(environment, repository, files, env).await,
        Trigger::Verify { environment, offline } => views::verify(environment.as_ref(), *offline, files, env).await,
        Trigger::Deploy(_) => Ok(()),
    }
}
