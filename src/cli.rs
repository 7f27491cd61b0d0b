//! The command line. Values are checked here, so that a mistake is a usage error (exit 2) before anything else happens.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::{EnvName, IdempotencyKey, ImageRef, ImageRefError, TokenRepo, parse_span};

/// What is wrong, but nothing of the AWS SDK: what it could not do comes back as an error, and its own words for it repeat
/// whole answers of whoever was asked.
const QUIET: &str = "warn,aws=off";

/// Deploys a container image, proves that the new version serves, and goes back when it does not.
#[derive(Debug, Parser)]
#[command(
    name = "deploy-action",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done or nothing to do, 2 usage, 10 configuration, 11 not allowed, 12 busy, 13 precondition \
missing (nothing was changed), 20 build or push failed, 21 the command before the deployment failed (nothing was shifted), 30 failed and rolled back, 31 failed and not rolled back, 32 timed out, 40 cancelled, 70 bug."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Why the program was started.
#[derive(Debug)]
pub enum Entry {
    /// By a runner, as the action.
    Action,
    /// By a runner, as the action's post step.
    Post,
    /// By somebody with a command.
    Command(Box<Cli>),
}

impl Entry {
    /// From the program's arguments, the first of them its own name. Ends the process where they ask for help or are wrong.
    #[must_use]
    pub fn of(args: &[OsString], in_actions: bool) -> Self {
        match args {
            // A runner passes one word as the entry point and no arguments: a link's name tells the two steps apart.
            [name] if in_actions && Path::new(name).file_name() == Some(OsStr::new("post")) => Self::Post,
            [_] if in_actions => Self::Action,
            _ => Self::Command(Box::new(Cli::parse_from(args))),
        }
    }

    /// What is logged where `DEPLOY_LOG` says nothing.
    #[must_use]
    pub fn default_log(&self) -> &'static str {
        match self {
            Self::Command(cli) => cli.default_log(),
            Self::Action | Self::Post => QUIET,
        }
    }
}

impl Cli {
    /// What is logged where `DEPLOY_LOG` says nothing: a service tells what it does, a command only what is wrong.
    #[must_use]
    pub fn default_log(&self) -> &'static str {
        match self.command {
            Command::Agent(AgentCommand::Serve { .. }) => "info",
            _ => QUIET,
        }
    }
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a deployment would change; changes nothing.
    Plan {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// What.
        #[command(flatten)]
        want: WantArgs,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = PlanFormat::Text)]
        format: PlanFormat,
    },
    /// Deploy an image and wait until it is proven to serve.
    Deploy {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The image by digest: `repository@sha256:…`.
        #[arg(long, value_name = "IMAGE", value_parser = image)]
        image: ImageRef,
        /// How.
        #[command(flatten)]
        run: RunArgs,
    },
    /// Go back to the newest proven release that differs from the running one.
    Rollback {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// How.
        #[command(flatten)]
        run: RunArgs,
    },
    /// Show what runs, since when, and whether it is what was deployed.
    Status {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Show past deployments, newest first.
    History {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// How to print it.
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Check the configuration, and that each agent answers.
    Verify {
        /// The environment; without it, all of them.
        environment: Option<EnvName>,
        /// Where the configuration is.
        #[command(flatten)]
        files: Files,
        /// Check the configuration only; open no connection.
        #[arg(long)]
        offline: bool,
    },
    /// Answer a deployment of Amazon ECS that waits for somebody's word: let it go on, or go back.
    Approve {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// Go back instead.
        #[arg(long)]
        reject: bool,
    },
    /// Print the least IAM policy for an environment of Amazon ECS, and the trust policy for GitHub's runs of it.
    IamPolicy {
        /// Where.
        #[command(flatten)]
        place: Place,
        /// The repository whose runs deploy: `owner/name`, or `owner@7/name@42` where the subjects of its tokens hold numbers.
        #[arg(long, value_name = "REPOSITORY")]
        repository: TokenRepo,
    },
    /// Commands for the host on which the agent runs.
    #[command(subcommand)]
    Agent(AgentCommand),
}

/// The agent's own verbs.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Make a key pair: the private half for the caller, the public half for `agent.yml`.
    Keygen {
        /// The agent's id, as `agent_id` in `agent.yml` says it.
        #[arg(long, value_name = "ID")]
        agent_id: String,
        /// A name for the key, for example `ci`.
        #[arg(long, value_name = "ID")]
        key_id: String,
    },
    /// Run the agent; the unit file's command.
    Serve {
        /// The agent's configuration.
        #[arg(long, value_name = "PATH")]
        config: PathBuf,
    },
    /// Check everything the agent needs, and say what is wrong and which command mends it.
    Doctor {
        /// The agent's configuration.
        #[arg(long, value_name = "PATH")]
        config: PathBuf,
    },
}

/// An environment and the files that describe it.
#[derive(Debug, Args)]
pub struct Place {
    /// An environment of `deploy.yml`.
    pub environment: EnvName,
    /// The files.
    #[command(flatten)]
    pub files: Files,
}

/// Where the configuration and the key are.
#[derive(Debug, Args)]
pub struct Files {
    /// The configuration.
    #[arg(long, value_name = "PATH", default_value = "deploy.yml")]
    pub config: PathBuf,
    /// A file that holds the agent key; without it, the environment variable `DEPLOY_AGENT_KEY`.
    #[arg(long, value_name = "PATH")]
    pub agent_key_file: Option<PathBuf>,
}

/// What a plan is made for.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WantArgs {
    /// The image by digest: `repository@sha256:…`.
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<ImageRef>,
    /// Plan a rollback instead.
    #[arg(long)]
    pub rollback: bool,
}

/// How a deployment is run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Same key = same deployment. Without it a random one is made and printed.
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Longest wait for the end, for example `90s` or `15m`; the agent goes on by itself.
    #[arg(long, value_name = "SPAN", default_value = "15m", value_parser = timeout)]
    pub timeout: Duration,
    /// How to print progress: lines for people, or one JSON object per line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// Plan only; change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Forms of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    Text,
    /// For machines.
    Json,
}

/// Forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// Lines for people.
    Text,
    /// For a comment or a summary.
    Markdown,
    /// For machines.
    Json,
}

fn image(text: &str) -> Result<ImageRef, String> {
    text.parse().map_err(|error: ImageRefError| match error {
        ImageRefError::NoDigest(_) => format!(
            "an image is deployed by its digest, because a tag can be moved: write `repository@sha256:…`. \
             `docker buildx imagetools inspect {text}` prints the digest; for an image that was pushed or pulled here, \
             `docker inspect --format '{{{{index .RepoDigests 0}}}}' {text}` prints the whole name"
        ),
        other => other.to_string(),
    })
}

pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match parse_span(text) {
        Ok(span) if span.is_zero() => Err("a deployment needs some time: write for example `15m`".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_runner_starts_the_action() {
        let entry =
            |args: &[&str], in_actions| Entry::of(&args.iter().map(OsString::from).collect::<Vec<_>>(), in_actions);
        assert!(matches!(entry(&["/deploy-action"], true), Entry::Action));
        assert!(matches!(entry(&["/post"], true), Entry::Post));
        assert!(matches!(entry(&["/post", "status", "staging"], true), Entry::Command(_)));
        assert!(matches!(entry(&["deploy-action", "status", "staging"], true), Entry::Command(_)));
    }

    #[test]
    fn help_is_complete() {
        let mut all = String::new();
        let mut command = Cli::command();
        command.build();
        all.push_str(&command.render_help().to_string());
        for verb in command.get_subcommands_mut().filter(|verb| verb.get_name() != "help") {
            let help = verb.render_help();
            all.push_str(&format!("\n--- {}\n{help}", verb.get_name()));
        }
        insta::assert_snapshot!(all);
    }

    #[test]
    fn mistakes_are_told() {
        let digest = format!("web@sha256:{}", "a".repeat(64));
        let mut all = String::new();
        for args in [
            vec!["deploy", "staging"],
            vec!["deploy", "staging", "--image", "127.0.0.1:5000/web:1.2"],
            vec!["deploy", "staging", "--image", "web@sha256:12"],
            vec!["deploy", "Staging", "--image", &digest],
            vec!["deploy", "staging", "--image", &digest, "--timeout", "0"],
            vec!["deploy", "staging", "--image", &digest, "--timeout", "soon"],
            vec!["deploy", "staging", "--image", &digest, "--idempotency-key", "short"],
            vec!["deploy", "staging", "--image", &digest, "--agent-key", "x"],
            vec!["plan", "staging"],
            vec!["plan", "staging", "--rollback", "--image", &digest],
            vec!["depoly", "staging"],
        ] {
            let full = std::iter::once("deploy-action").chain(args.iter().copied());
            let error = Cli::try_parse_from(full).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            all.push_str(&format!("--- {}\n{error}\n", args.join(" ")));
        }
        insta::assert_snapshot!(all);
    }
}
