//! Parses the command line, starts the runtime and the log, runs the command, prints its failure, gives its exit code.

use std::io::Write;
use std::process::ExitCode;

use deploy_action::cli::Entry;
use deploy_action::domain::Reason;
use deploy_action::env::Env;
use deploy_action::execute::{Canceller, cancel_channel};
use deploy_action::failure::Failure;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        Err(failure) => {
            let _ = std::io::stderr().lock().write_all(failure.render().as_bytes());
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

fn start() -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::new(Reason::Bug, "the runtime cannot start").because(error))?;
    // Signals come first: from the first instant on, none of them ends the process by default.
    let (canceller, cancel) = cancel_channel();
    runtime.block_on(async { listen(canceller) })?;
    let env = Env::read();
    let entry = Entry::of(&std::env::args_os().collect::<Vec<_>>(), env.runner.is_some());
    let level = env.log.as_deref().unwrap_or(entry.default_log());
    let filter = EnvFilter::try_new(level)
        .map_err(|error| Failure::new(Reason::Usage, "`DEPLOY_LOG` cannot be read").because(error))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
    let result = runtime.block_on(deploy_action::app::run(&entry, &env, cancel));
    // A name lookup that hangs in the system's resolver must not hold back somebody who asked twice to leave.
    runtime.shutdown_background();
    result
}

/// SIGINT, SIGTERM and SIGHUP each ask the run to end.
fn listen(canceller: Canceller) -> Result<(), Failure> {
    let failed = |error| Failure::new(Reason::Bug, "the signal handlers cannot be installed").because(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => canceller.ask(),
                _ = terminate.recv() => canceller.ask(),
                _ = hangup.recv() => canceller.ask(),
            }
        }
    });
    Ok(())
}
