//! The action's inputs, from the `INPUT_…` variables in which a runner hands them over.
//!
//! An unknown one is refused, so that a typing mistake is not a deployment with defaults. One that is empty is absent:
//! runners pass every declared input, set or not.

mod mask;
mod names;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::timeout;
use crate::domain::{AgentUrl, AppName, EnvName, Reason, RoleArn, Secret, ServiceName, one_line};
use crate::failure::Failure;
use crate::plan::image::BuildMode;

pub use mask::{login_masks, masks, redact, value_masks};
pub use names::{INPUTS, Input};
pub use values::{ImageInput, Verb};

/// Accepted by every docker action and meant for the runner.
const TOLERATED: &[&str] = &["entrypoint", "args"];
/// Longest name or value that is repeated, in characters.
const SHOWN: usize = 80;
/// Longest problem that is told, in characters: values are cut before.
const PROBLEM: usize = 1_000;

/// The inputs, each checked by itself. [`INPUTS`] says what they mean.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is an entry of `INPUTS`, documented there")]
pub struct Inputs {
    pub app: Option<AppName>,
    pub command: Option<Verb>,
    pub environment: Option<EnvName>,
    pub config: Option<PathBuf>,
    pub image: Option<ImageInput>,
    pub build: BuildMode,
    pub context: PathBuf,
    pub dockerfile: String,
    pub target: Option<String>,
    pub build_args: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, Secret<String>>,
    pub agent_url: Option<AgentUrl>,
    pub agent_key: Option<Secret<String>>,
    pub service: Option<ServiceName>,
    pub registry: Option<String>,
    pub registry_username: Option<String>,
    pub registry_password: Option<Secret<String>>,
    pub role_to_assume: Option<RoleArn>,
    pub audience: String,
    pub github_token: Option<Secret<String>>,
    pub timeout: Duration,
    pub dry_run: bool,
}

impl Inputs {
    /// From variables, of which those count whose names begin with `INPUT_`.
    ///
    /// # Errors
    /// Every problem at once.
    pub fn read(vars: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let mut given = Given::new(vars);
        let inputs = Self {
            app: given.take("app", values::of),
            command: given.take("command", values::verb),
            environment: given.take("environment", values::of),
            config: given.take("config", values::of),
            image: given.take("image", values::image),
            build: given.take("build", values::build).unwrap_or(BuildMode::Auto),
            context: given.take("context", values::of).unwrap_or_else(|| PathBuf::from(".")),
            dockerfile: given.take("dockerfile", values::of).unwrap_or_else(|| "Dockerfile".to_owned()),
            target: given.take("target", values::of),
            build_args: given.lines("build-args", values::pairs).unwrap_or_default(),
            secrets: given.lines("secrets", values::secrets).unwrap_or_default(),
            agent_url: given.take("agent-url", values::of),
            agent_key: given.secret("agent-key"),
            service: given.take("service", values::of),
            registry: given.take("registry", values::registry),
            registry_username: given.take("registry-username", values::username),
            registry_password: given.secret("registry-password"),
            role_to_assume: given.take("role-to-assume", values::of),
            audience: given.take("audience", values::audience).unwrap_or_else(|| AUDIENCE.to_owned()),
            github_token: given.secret("github-token"),
            timeout: given.take("timeout", timeout).unwrap_or(DEFAULT_TIMEOUT),
            dry_run: given.take("dry-run", values::boolean).unwrap_or_default(),
        };
        given.finish().map(|()| inputs)
    }

    /// Whether the logins are whole. Asked apart from the rest: of a fork's pull request every secret is empty, and that
    /// is no mistake.
    ///
    /// # Errors
    /// One is not.
    pub fn check_login(&self) -> Result<(), Failure> {
        let mut given = Given { values: BTreeMap::new(), problems: Vec::new() };
        if self.registry_username.is_some() != self.registry_password.is_some() {
            let problem = "`registry-username` and `registry-password` go together: set both or neither";
            given.problems.push(problem.to_owned());
        }
        if self.audience != AUDIENCE && self.role_to_assume.is_none() {
            let problem = "`audience` is whom GitHub's token is for, with which `role-to-assume` is taken on: set that as well, or remove `audience`";
            given.problems.push(problem.to_owned());
        }
        given.finish()
    }
}

/// As [`INPUTS`] says it, and AWS's identity providers for GitHub have it.
const AUDIENCE: &str = "sts.amazonaws.com";
/// As [`INPUTS`] says it.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The input that a variable hands over. A runner writes names in upper case; whoever else sets them may not.
fn named(variable: &str) -> Option<String> {
    variable.strip_prefix("INPUT_").map(str::to_lowercase)
}

/// What was given, and what is wrong with it.
struct Given {
    values: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Given {
    fn new(vars: &BTreeMap<String, String>) -> Self {
        let mut given = Self { values: BTreeMap::new(), problems: Vec::new() };
        for (variable, value) in vars {
            let Some(name) = named(variable) else { continue };
            if INPUTS.iter().any(|input| input.name == name) {
                if value.trim().is_empty() {
                    continue;
                }
                if given.values.insert(name.clone(), value.clone()).is_some() {
                    given.problems.push(format!("`{name}` is given twice, in upper and in lower case"));
                }
            } else if !TOLERATED.contains(&name.as_str()) {
                given.problems.push(unknown(&name));
            }
        }
        given
    }

    /// Of one line, without the spaces around it.
    fn take<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        self.lines(name, |text| match text.trim() {
            text if text.contains(char::is_control) => Err(format!(
                "`{}` holds a line break or another control character: write one line",
                one_line(text, SHOWN)
            )),
            text => read(text),
        })
    }

    /// Of as many lines as there are.
    fn lines<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = self.values.get(name)?;
        read(text).map_err(|problem| self.problems.push(format!("`{name}`: {}", one_line(&problem, PROBLEM)))).ok()
    }

    fn secret(&self, name: &str) -> Option<Secret<String>> {
        self.values.get(name).map(|value| Secret::new(value.trim().to_owned()))
    }

    fn finish(self) -> Result<(), Failure> {
        let count = match self.problems.len() {
            0 => return Ok(()),
            1 => "the inputs have a problem".to_owned(),
            count => format!("the inputs have {count} problems"),
        };
        let lines: Vec<String> = self.problems.iter().map(|problem| format!("  {problem}")).collect();
        Err(Failure::new(Reason::Usage, format!("{count}\n{}", lines.join("\n")))
            .hint("inputs are what the step says under `with:`"))
    }
}

/// Names the input that was probably meant.
fn unknown(name: &str) -> String {
    let shown = one_line(name, SHOWN);
    let meant = INPUTS
        .iter()
        .map(|input| (strsim::jaro_winkler(name, input.name), input.name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > 0.8);
    match meant {
        Some((_, meant)) => format!("`{shown}` is not an input: is `{meant}` meant?"),
        None => format!("`{shown}` is not an input"),
    }
}
