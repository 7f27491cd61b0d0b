//! The demo: a server on this machine, an application put up by plain compose, and then, under load, a commit that is
//! deployed, a broken one that is refused, and a rollback. It checks what it promises and ends with 1 if a promise is broken.

mod comment;
mod events;
mod forge;
mod log;
mod options;
mod progress;
mod promise;
mod show;
mod stage;
mod step;

use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::bed::{self, AppImage, BedError, Machine, Result};
use options::{Action, Options};
use show::say;
use stage::Stage;
use step::{Expected, Step, Verb};

/// True from the first signal on.
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The whole program. Exit codes: 0 every promise held, 1 one did not or something failed, 2 bad arguments, 128 and the
/// signal's number after a signal.
pub fn main() -> ExitCode {
    let action = match options::read(std::env::args().skip(1)) {
        Ok(action) => action,
        Err(problem) => {
            eprintln!("demo: {problem}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let result = match action {
        Action::Help => {
            say(options::USAGE);
            return ExitCode::SUCCESS;
        }
        Action::Stop => stop(),
        Action::Run(options) => run(&options),
    };
    // What was in progress was ended under way, and fails for that reason: the signal has the last word.
    while STOPPING.load(Ordering::SeqCst) {
        thread::park();
    }
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Removes what `--keep` left running.
fn stop() -> Result<bool> {
    let machine = Machine::find()?;
    for name in bed::kept() {
        bed::remove(&machine, &name);
        say(&format!("removed {name}"));
    }
    bed::remove_images(&machine)?;
    Ok(true)
}

/// True if every promise held.
fn run(options: &Options) -> Result<bool> {
    let machine = Machine::find()?;
    clean_up_on_signals(machine.clone())?;
    bed::sweep(&machine)?;

    show::heading("1/4  A server on this machine, with hello v1 put up by plain `docker compose up -d`");
    let mut stage = Stage::set_up(options)?;
    let mut done = Vec::new();
    for step in &steps() {
        done.push(step.play(&mut stage, options.rate)?);
    }
    let releases = stage.releases()?;
    let broken: Vec<String> = done.iter().flat_map(promise::broken).collect();

    show::comment(promise::comment(&done));
    show::summary(&done, &broken);
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", promise::json(&done, releases));
        std::fs::write(file, text).map_err(|error| BedError::new(format!("{}: {error}", file.display())))?;
    }
    if options.keep {
        stage.keep()?;
    }
    drop(stage);
    bed::remove_images(&machine)?;
    Ok(broken.is_empty())
}

fn steps() -> [Step; 3] {
    [
        Step {
            name: "v2",
            title: "2/4  Push v2: the action builds the commit and deploys it",
            verb: Verb::Push(AppImage::version("v2")),
            expected: Expected { exit_code: 0, serving: "v2", silent: None },
        },
        Step {
            name: "v3-broken",
            title: "3/4  Push v3, which looks healthy and answers 500 behind the proxy: it must be refused",
            verb: Verb::Push(AppImage::version("v3").mode("error-500-host")),
            expected: Expected { exit_code: 30, serving: "v2", silent: Some("v3") },
        },
        Step {
            name: "rollback",
            title: "4/4  Roll back, from a shell",
            verb: Verb::Rollback,
            expected: Expected { exit_code: 0, serving: "v1", silent: None },
        },
    ]
}

/// Ctrl-C leaves nothing behind either. `Drop` cannot do this: a signal ends no scope.
fn clean_up_on_signals(machine: Machine) -> Result<()> {
    let signals = Signals::new([SIGINT, SIGTERM, SIGHUP]);
    let mut signals = signals.map_err(|error| BedError::new(format!("demo: cannot catch signals: {error}")))?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            STOPPING.store(true, Ordering::SeqCst);
            eprintln!("\ndemo: stopping; removing what was made");
            bed::remove_own(&machine);
            let _ = bed::remove_images(&machine);
            process::exit(128 + signal);
        }
    });
    Ok(())
}
