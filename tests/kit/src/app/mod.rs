//! The sample app: what the product deploys in tests and in the demo. A static HTTP/1.1 server that is
//! PID 1 in an empty image, configured by environment alone, and that can be told to misbehave.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `PORT` | listens on `0.0.0.0:$PORT`; default 8080, 0 picks a free one (see the log line) |
//! | `VERSION` | sent as `X-Version` with every answer; default `v1` |
//! | `BOOT_MS` | waits so long before it listens |
//! | `WORK_MS` | waits so long before each answer, except on `/healthz` |
//! | `CANARY` | what `log-canary` prints |
//! | `MODE` | comma list, see below; an unknown one ends the app with exit code 2 |
//!
//! Modes: `graceful` (default: on SIGTERM stop accepting, finish, exit 0 within 5 s), `abrupt` (exit 143
//! at once), `ignore-term`, `unhealthy` (`/healthz` answers 503), `error-500` (all but `/healthz`),
//! `error-500-host` (any request with `X-Forwarded-For`, also `/healthz`), `strict-paths` (404 for unknown
//! paths), `exit-after=MS` (exit 1, counted from listening), `error-500-after=MS` (as `error-500`, counted
//! from listening), `crash` (exit 3 at once), `eat-memory` (allocates until it is killed, or exits 4 after
//! 1 GiB), `no-listen`, `worker` (no port, waits for SIGTERM), `worker-fail` (exit 1 after 100 ms),
//! `log-canary`, `log-hostile`
//! (prints what misleads whoever shows it), `fragile` (after a request to `/sick`, `/healthz` answers 503),
//! `flap` (every other request for `/healthz` is answered 503).
//!
//! Paths: `/`, `/healthz`, `/whoami`, `/stream?bytes=N&over=MS` (a body in pieces, its checksum in
//! `X-Answer-Sum`), `/events?every=MS` (server-sent events until the client or SIGTERM ends them); any other
//! is echoed, except `/env`, which is always 404: no part of the environment but `VERSION` is ever answered.
//! `?work=MS` on any of them takes the place of `WORK_MS`.

mod conn;
mod connections;
mod healthcheck;
mod hostile;
mod request;
mod response;
mod routes;
mod serve;
mod settings;
mod stop;
mod stream;
mod sum;
#[cfg_attr(not(feature = "bed"), expect(dead_code, reason = "the load generator uses more of it than the app"))]
pub(crate) mod wire;

use std::env;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use settings::{Role, Settings};
use stop::Stop;
pub use sum::BodySum;

/// The whole program. `kit-app` serves (or does what `MODE` says), `kit-app healthcheck` asks the running
/// one, `kit-app once CODE [MS]` ends with that code after that time. Exit codes: 0 asked to end or healthy, 1 failed or unhealthy, 2 bad settings, 3 mode `crash`,
/// 4 mode `eat-memory`, 143 mode `abrupt`.
pub fn main() -> ExitCode {
    let settings = match Settings::read(|name| env::var_os(name)) {
        Ok(settings) => settings,
        Err(problem) => {
            log(&problem);
            return ExitCode::from(2);
        }
    };
    match env::args().nth(1).as_deref() {
        None => run(settings),
        Some("healthcheck") => healthcheck::run(&settings),
        Some("once") => once(&settings, env::args().skip(2).collect()),
        Some(other) => {
            log(&format!("unknown subcommand {other:?}"));
            ExitCode::from(2)
        }
    }
}

/// `kit-app once CODE [MS]`: a command that does its work and ends.
fn once(settings: &Settings, arguments: Vec<String>) -> ExitCode {
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    log(&format!("once: version={} leaves with exit code {}", settings.version, number(0)));
    thread::sleep(Duration::from_millis(number(1)));
    ExitCode::from(u8::try_from(number(0)).unwrap_or(u8::MAX))
}

fn run(settings: Settings) -> ExitCode {
    // Signals first: a container can be stopped before it has finished booting.
    let stop = match Stop::on_signal(settings.on_term) {
        Ok(stop) => stop,
        Err(error) => {
            log(&format!("cannot catch SIGTERM: {error}"));
            return ExitCode::FAILURE;
        }
    };
    if let Some(canary) = &settings.canary {
        // As raw bytes: tests plant control characters and broken UTF-8 here.
        log_bytes(&[b"canary: ", canary.as_bytes()].concat());
    }
    if settings.hostile {
        hostile::lines().iter().for_each(|line| log_bytes(line));
    }
    match settings.role {
        Role::Crash => {
            log("crash: leaving with exit code 3");
            ExitCode::from(3)
        }
        Role::Hungry => eat_memory(),
        Role::FailingWorker => match stop.wait_for(Duration::from_millis(100)) {
            true => ExitCode::SUCCESS,
            false => {
                log("worker failed");
                ExitCode::FAILURE
            }
        },
        Role::Server => {
            if stop.wait_for(settings.boot) {
                return ExitCode::SUCCESS;
            }
            serve::serve(settings, stop)
        }
        Role::Worker | Role::Deaf => {
            if stop.wait_for(settings.boot) {
                return ExitCode::SUCCESS;
            }
            log(&format!("running without a port version={}", settings.version));
            exit_later(&settings, &stop);
            stop.wait();
            ExitCode::SUCCESS
        }
    }
}

/// Mode `eat-memory`: a limit of the container ends it. The cap is for a machine where there is none.
fn eat_memory() -> ExitCode {
    log("eat-memory: allocating");
    let eaten: Vec<Vec<u8>> = (0..256).map(|byte| vec![byte as u8 | 1; 4 << 20]).collect();
    log(&format!("eat-memory: nobody stopped {} pieces", eaten.len()));
    ExitCode::from(4)
}

/// Mode `exit-after`: a death that comes after the app has been found healthy.
fn exit_later(settings: &Settings, stop: &Arc<Stop>) {
    let Some(after) = settings.exit_after else {
        return;
    };
    let stop = Arc::clone(stop);
    thread::spawn(move || {
        if !stop.wait_for(after) {
            log(&format!("leaving with exit code 1 after {} ms", after.as_millis()));
            process::exit(1);
        }
    });
}

fn log(line: &str) {
    log_bytes(line.as_bytes());
}

/// One write per line, and no panic if nobody reads the log any more.
fn log_bytes(line: &[u8]) {
    let _ = io::stdout().write_all(&[line, b"\n"].concat());
}
