//! The environment of the sample app, read once and checked: a misspelt mode must stop a test, not
//! quietly test something else.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::request::Request;

/// What the app does when it is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnTerm {
    Graceful,
    Abrupt,
    Ignore,
}

/// What the app is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Server,
    /// Runs, but never opens its port.
    Deaf,
    Worker,
    FailingWorker,
    Crash,
    /// Takes memory until something ends it.
    Hungry,
}

/// Which requests are answered 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    No,
    /// All but `/healthz`, so long after the app began to listen.
    After(Duration),
    /// Any that came through a proxy, told by `X-Forwarded-For`.
    BehindProxy,
}

/// Everything the environment says.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) port: u16,
    pub(super) version: String,
    pub(super) boot: Duration,
    pub(super) work: Duration,
    pub(super) on_term: OnTerm,
    pub(super) role: Role,
    pub(super) broken: Broken,
    /// What `/healthz` says; with `fragile` it can change while the app runs.
    pub(super) unhealthy: Arc<AtomicBool>,
    /// A request to `/sick` makes it unhealthy.
    pub(super) fragile: bool,
    /// Requests for `/healthz` so far, where every other one is answered 503.
    pub(super) flaps: Option<Arc<AtomicU32>>,
    pub(super) strict_paths: bool,
    pub(super) exit_after: Option<Duration>,
    /// The value to print once at boot, already read from `CANARY`.
    pub(super) canary: Option<OsString>,
    /// Whether to print hostile lines at boot.
    pub(super) hostile: bool,
}

impl Settings {
    /// Reads all settings through `var`; an empty value counts as unset, because compose passes
    /// `${UNSET}` on as empty. The error is one sentence for the log.
    pub(super) fn read(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let filled = |name: &str| var(name).filter(|value| !value.is_empty());
        let text = |name: &str| filled(name).map(|value| value.to_string_lossy().into_owned());
        let number = |name: &str, default: u64| match text(name) {
            None => Ok(default),
            Some(value) => value.parse::<u64>().map_err(|_| format!("{name}={value:?} is not a number")),
        };
        let version = text("VERSION").unwrap_or_else(|| "v1".to_owned());
        // It becomes a header of every answer.
        if version.chars().any(char::is_control) {
            return Err("VERSION holds a control character".to_owned());
        }
        let mut settings = Self {
            port: u16::try_from(number("PORT", 8080)?).map_err(|_| "PORT is above 65535")?,
            version,
            boot: Duration::from_millis(number("BOOT_MS", 0)?),
            work: Duration::from_millis(number("WORK_MS", 0)?),
            on_term: OnTerm::Graceful,
            role: Role::Server,
            broken: Broken::No,
            unhealthy: Arc::default(),
            fragile: false,
            flaps: None,
            strict_paths: false,
            exit_after: None,
            canary: None,
            hostile: false,
        };
        for mode in text("MODE").unwrap_or_default().split(',') {
            match mode.trim() {
                "log-canary" => settings.canary = Some(filled("CANARY").unwrap_or_default()),
                mode => settings.apply(mode)?,
            }
        }
        Ok(settings)
    }

    fn apply(&mut self, mode: &str) -> Result<(), String> {
        match mode {
            "" => {}
            "graceful" => self.on_term = OnTerm::Graceful,
            "abrupt" => self.on_term = OnTerm::Abrupt,
            "ignore-term" => self.on_term = OnTerm::Ignore,
            "unhealthy" => self.unhealthy.store(true, Ordering::Relaxed),
            "fragile" => self.fragile = true,
            "flap" => self.flaps = Some(Arc::default()),
            "error-500" => self.broken = Broken::After(Duration::ZERO),
            "error-500-host" => self.broken = Broken::BehindProxy,
            "log-hostile" => self.hostile = true,
            "strict-paths" => self.strict_paths = true,
            "crash" => self.role = Role::Crash,
            "eat-memory" => self.role = Role::Hungry,
            "no-listen" => self.role = Role::Deaf,
            "worker" => self.role = Role::Worker,
            "worker-fail" => self.role = Role::FailingWorker,
            _ => {
                let (name, ms) = mode.split_once('=').unwrap_or_default();
                match (name, ms.parse().map(Duration::from_millis)) {
                    ("exit-after", Ok(after)) => self.exit_after = Some(after),
                    ("error-500-after", Ok(after)) => self.broken = Broken::After(after),
                    _ => return Err(format!("MODE {mode:?} is not known")),
                }
            }
        }
        Ok(())
    }

    /// Whether a request is answered 500 by an app that has listened for so long.
    pub(super) fn is_broken(&self, request: &Request, age: Duration) -> bool {
        match self.broken {
            Broken::No => false,
            Broken::After(after) => age >= after && request.path() != "/healthz",
            Broken::BehindProxy => request.head.get("x-forwarded-for").is_some(),
        }
    }
}

#[cfg(test)]
impl Settings {
    /// Settings from pairs, for the tests of the modules beside this one.
    pub(super) fn of(pairs: &[(&str, &str)]) -> Result<Self, String> {
        Self::read(|name| {
            let found = pairs.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Wire;
    use super::*;

    #[test]
    fn defaults() {
        let settings = Settings::of(&[("VERSION", ""), ("MODE", "")]).expect("valid");
        assert_eq!((settings.port, settings.version.as_str()), (8080, "v1"));
        assert_eq!(settings.on_term, OnTerm::Graceful);
        assert_eq!(settings.role, Role::Server);
    }

    #[test]
    fn modes_combine() {
        let mode = "abrupt, unhealthy,exit-after=250,log-canary";
        let settings = Settings::of(&[("MODE", mode), ("CANARY", "x")]).expect("valid");
        assert_eq!(settings.on_term, OnTerm::Abrupt);
        assert!(settings.unhealthy.load(Ordering::Relaxed));
        assert_eq!(settings.exit_after, Some(Duration::from_millis(250)));
        assert_eq!(settings.canary, Some("x".into()));
    }

    #[test]
    fn broken_modes() {
        let broken = |mode, path: &str, headers: &str, age| {
            let bytes = format!("GET {path} HTTP/1.1\r\nHost: h\r\n{headers}\r\n");
            let request = Request::read(&mut Wire::new(bytes.as_bytes()), std::io::sink()).expect("valid");
            Settings::of(&[("MODE", mode)]).expect("valid").is_broken(&request, Duration::from_millis(age))
        };
        assert!(broken("error-500", "/", "", 0) && !broken("error-500", "/healthz", "", 0));
        let after = "error-500-after=200";
        assert!(broken(after, "/", "", 200) && !broken(after, "/", "", 199) && !broken(after, "/healthz", "", 200));
        let proxied = "X-Forwarded-For: 1.2.3.4\r\n";
        assert!(broken("error-500-host", "/", proxied, 0) && broken("error-500-host", "/healthz", proxied, 0));
        assert!(!broken("error-500-host", "/healthz", "", 0));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |pairs| Settings::of(pairs).expect_err("refused");
        assert_eq!(error(&[("MODE", "gracefull")]), "MODE \"gracefull\" is not known");
        assert_eq!(error(&[("PORT", "http")]), "PORT=\"http\" is not a number");
        assert_eq!(error(&[("PORT", "70000")]), "PORT is above 65535");
        assert!(error(&[("VERSION", "v1\r\nx: y")]).contains("control"));
    }
}
