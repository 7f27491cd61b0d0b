//! What ends a command badly: one kind, one sentence, its causes, and what to do about it.

use std::error::Error;
use std::fmt;

use crate::domain::{Reason, one_line};

/// The exit code table: an API that scripts rely on. `README.md` lists it (a test compares).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The command line or an input does not parse.
    Usage,
    /// `deploy.yml` or `agent.yml` has problems.
    Config,
    /// The caller may not do this.
    NotAllowed,
    /// Busy, locked or superseded.
    Busy,
    /// A precondition or a permission is missing; nothing was changed.
    Preflight,
    /// Build or push failed.
    Build,
    /// The pre-deploy command failed and nothing shifted.
    PreDeploy,
    /// Failed and rolled back: the version from before serves.
    RolledBack,
    /// Failed and not rolled back: a person must look.
    Stranded,
    /// A deadline passed.
    TimedOut,
    /// Cancelled.
    Cancelled,
    /// Over budget.
    OverBudget,
    /// A defect of this program.
    Bug,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Kind] = &[
        Self::Usage,
        Self::Config,
        Self::NotAllowed,
        Self::Busy,
        Self::Preflight,
        Self::Build,
        Self::PreDeploy,
        Self::RolledBack,
        Self::Stranded,
        Self::TimedOut,
        Self::Cancelled,
        Self::OverBudget,
        Self::Bug,
    ];

    /// The process's exit code.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Config => 10,
            Self::NotAllowed => 11,
            Self::Busy => 12,
            Self::Preflight => 13,
            Self::Build => 20,
            Self::PreDeploy => 21,
            Self::RolledBack => 30,
            Self::Stranded => 31,
            Self::TimedOut => 32,
            Self::Cancelled => 40,
            Self::OverBudget => 50,
            Self::Bug => 70,
        }
    }

    /// The kind that a reason belongs to when nothing was changed yet, or when its outcome says no more.
    #[must_use]
    pub const fn of(reason: Reason) -> Self {
        match reason {
            Reason::Usage => Self::Usage,
            Reason::ConfigInvalid => Self::Config,
            Reason::Forbidden | Reason::ImageNotAllowed => Self::NotAllowed,
            Reason::Busy | Reason::Unavailable | Reason::Superseded => Self::Busy,
            Reason::KeyInvalid
            | Reason::AgentUnreachable
            | Reason::AgentUnexpected
            | Reason::BadRequest
            | Reason::ApiTooNew
            | Reason::SignatureInvalid
            | Reason::Replayed
            | Reason::ClockSkew
            | Reason::UnknownService
            | Reason::UnknownDeployment
            | Reason::Blocked
            | Reason::DockerUnavailable
            | Reason::TraefikUnreachable
            | Reason::NoEarlierRelease
            | Reason::AwsDenied
            | Reason::AwsCredentials
            | Reason::AwsUnreachable
            | Reason::AwsRefused
            | Reason::StateUnusable => Self::Preflight,
            Reason::ChangedUnderneath
            | Reason::ComposeFailed
            | Reason::AdoptFailed
            | Reason::PullFailed
            | Reason::DiskFull
            | Reason::CreateFailed
            | Reason::StartFailed
            | Reason::ContainerExited
            | Reason::NeverHealthy
            | Reason::SwitchFailed
            | Reason::ProofFailed
            | Reason::VerifyFailed
            | Reason::TasksFailed
            | Reason::HookFailed
            | Reason::AlarmFired
            | Reason::StoppedByHand
            | Reason::NotApproved
            | Reason::DeploymentFailed
            | Reason::Interrupted => Self::RolledBack,
            Reason::BuildFailed | Reason::RegistryFailed => Self::Build,
            Reason::BeforeDeployFailed => Self::PreDeploy,
            Reason::RollbackFailed => Self::Stranded,
            Reason::TimedOut => Self::TimedOut,
            Reason::Cancelled => Self::Cancelled,
            Reason::Bug | Reason::Unknown => Self::Bug,
        }
    }
}

/// A failed command. `Display` is the first sentence only; the printer walks the chain and adds the hint.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// The stable word.
    pub reason: Reason,
    /// One sentence: what failed.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// What it came from.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure of the kind its reason implies.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { kind: Kind::of(reason), reason, message: message.into(), hint: None, source: None }
    }

    /// With another kind than the reason implies.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether nothing was changed because something else was: a new plan may go through.
    #[must_use]
    pub fn asks_for_a_new_plan(&self) -> bool {
        self.reason == Reason::ChangedUnderneath && self.kind == Kind::Busy
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The whole failure for a terminal: sentence, causes, hint, reason. Whatever text from outside is in it, no line of
    /// it is a workflow command or moves a cursor.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("error: {}\n", harmless(&self.message));
        let mut cause = self.source.as_deref().map(|source| source as &dyn Error);
        while let Some(error) = cause {
            text.push_str(&format!("  because: {}\n", harmless(&error.to_string())));
            cause = error.source();
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("  hint: {}\n", harmless(hint)));
        }
        text.push_str(&format!("  reason: {} (exit code {})\n", self.reason, self.kind.exit_code()));
        text
    }
}

/// The innermost cause of an error, which names the fact (`Connection refused`), not the layers above it.
#[must_use]
pub fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// An error with all that it came from, outermost first; what an outer layer repeats of an inner one is there once.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

/// Longest line of a failure, in characters.
const LINE: usize = 2_000;

/// The same lines, each plain. What follows a line break begins a line, and a runner takes one that begins with `::`
/// for a command, spaces before it or not.
fn harmless(text: &str) -> String {
    let plain = |line: &str| match one_line(line, LINE) {
        line if line.trim_start().starts_with("::") => format!("| {line}"),
        line => line,
    };
    text.split('\n').map(plain).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn render_walks_the_chain_once() {
        let inner = Failure::new(Reason::Bug, "the disk is full");
        let text = Failure::new(Reason::StateUnusable, "the journal cannot be written")
            .because(inner)
            .hint("free some space")
            .render();
        assert_eq!(
            text,
            "error: the journal cannot be written\n  because: the disk is full\n  hint: free some space\n  reason: state_unusable (exit code 13)\n"
        );
    }

    #[test]
    fn no_line_is_a_command() {
        let text = Failure::new(
            Reason::Usage,
            "`a\n ::add-mask::b\r::stop-commands::c` is wrong\n  5 | \u{1b}[2Jx ##[group]y",
        )
        .because(std::io::Error::other("d\n::error::e"))
        .hint("f\n\t::warning::g\u{202e}")
        .render();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn exit_codes_differ_by_kind() {
        let codes: std::collections::BTreeSet<u8> = Kind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!(codes.len(), Kind::ALL.len());
        assert!(!codes.contains(&0) && !codes.contains(&1));
    }
}
