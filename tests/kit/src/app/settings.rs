//! The environment of the sample app, read once and checked: a misspelt mode must stop a test, not
//! quietly test something else.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
}

/// Which requests are answered 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    No,
    /// All but `/healthz`.
    Always,
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
    pub(super) strict_paths: bool,
    pub(super) exit_after: Option<Duration>,
    /// The value to print once at boot, already read from `CANARY`.
    pub(super) canary: Option<OsString>,
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
            strict_paths: false,
            exit_after: None,
            canary: None,
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
            "error-500" => self.broken = Broken::Always,
            "error-500-host" => self.broken = Broken::BehindProxy,
            "strict-paths" => self.strict_paths = true,
            "crash" => self.role = Role::Crash,
            "no-listen" => self.role = Role::Deaf,
            "worker" => self.role = Role::Worker,
            "worker-fail" => self.role = Role::FailingWorker,
            _ => {
                let ms = mode.strip_prefix("exit-after=");
                let ms = ms.and_then(|ms| ms.parse().ok());
                let ms = ms.ok_or_else(|| format!("MODE {mode:?} is not known"))?;
                self.exit_after = Some(Duration::from_millis(ms));
            }
        }
        Ok(())
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
    fn mistakes_are_named() {
        let error = |pairs| Settings::of(pairs).expect_err("refused");
        assert_eq!(error(&[("MODE", "gracefull")]), "MODE \"gracefull\" is not known");
        assert_eq!(error(&[("PORT", "http")]), "PORT=\"http\" is not a number");
        assert_eq!(error(&[("PORT", "70000")]), "PORT is above 65535");
        assert!(error(&[("VERSION", "v1\r\nx: y")]).contains("control"));
    }
}
