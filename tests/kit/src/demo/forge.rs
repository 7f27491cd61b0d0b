//! Where the versions come from: a repository, GitHub's double, and one of two runners for its workflow.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::options::Options;
use crate::act::{Act, Repository};
use crate::bed::{AppImage, Bed, BedError, Result};
use crate::github::GitHubDouble;
use crate::runner::{Files, Job};

/// The pull request that all commits belong to.
pub(super) const PULL_REQUEST: u64 = 1;
/// The job's token; the double takes any.
const TOKEN: &str = "token-of-the-demo";
/// What precedes the result where `act` prints the outputs of a step.
const TOLD: &str = "::set-output:: result-json=";

/// The repository and what runs its workflow.
#[derive(Debug)]
pub(super) struct Forge {
    repository: Repository,
    github: GitHubDouble,
    key: String,
    act: Option<Act>,
    runs: u64,
}

/// A run of the workflow, not started yet.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) command: Command,
    pub(super) outputs: Outputs,
}

/// Where the outputs of the step are; `act` has them in the log alone.
#[derive(Debug)]
pub(super) struct Outputs(Option<Files>);

impl Forge {
    /// A repository with this `deploy.yml` and the template of a workflow.
    pub(super) fn set_up(bed: &mut Bed, program: &Path, deploy_yml: &str, options: &Options) -> Result<Self> {
        let key = bed.agent()?.key().to_owned();
        let repository = Repository::create(&bed.machine, &bed.dir().join("repository"))?;
        repository.write("deploy.yml", deploy_yml)?;
        repository.write(".dockerignore", "*\n!kit-app\n")?;
        // act names containers after the workflow, so this one has a name that no other on this machine has.
        let workflow = template()?.replacen("name: deploy\n", &format!("name: {}\n", bed.name()), 1);
        repository.write(".github/workflows/deploy.yml", &workflow)?;
        let github = GitHubDouble::start().map_err(|error| BedError::new(format!("demo: GitHub's double: {error}")))?;
        let dir = bed.dir().join("act");
        let act = options.act.then(|| Act::prepare(&bed.machine, &bed.registry, program, &dir)).transpose()?;
        Ok(Self { repository, github, key, act, runs: 0 })
    }

    /// Where the repository is.
    pub(super) fn dir(&self) -> &Path {
        self.repository.dir()
    }

    /// Commits a version; gives the commit.
    pub(super) fn commit(&self, bed: &Bed, image: &AppImage) -> Result<String> {
        image.write(&bed.machine, self.repository.dir())?;
        let commit = self.repository.commit(&format!("hello {}", image.version))?;
        self.github.pull_requests(&commit, &[PULL_REQUEST]);
        Ok(commit)
    }

    /// What the push of the commit sets off.
    pub(super) fn push(&mut self, bed: &Bed, program: &Path, commit: &str) -> Result<Run> {
        self.runs += 1;
        let url = self.github.url();
        if let Some(act) = &self.act {
            let secrets = [("DEPLOY_AGENT_KEY", self.key.as_str()), ("GITHUB_TOKEN", TOKEN)];
            let variables = [("GITHUB_API_URL", url.as_str())];
            let command = act.command("push", &[], &self.repository, &secrets, &variables);
            return Ok(Run { command, outputs: Outputs(None) });
        }
        let dir = bed.dir().join(format!("run-{}", self.runs));
        let mut job = Job::new(&bed.machine, &dir, self.repository.dir(), &url, self.runs)?;
        job.token(TOKEN);
        let payload = json!({"ref": "refs/heads/main", "after": commit, "head_commit": {"id": commit}});
        job.event("push", &payload, commit)?;
        let inputs = [
            ("environment", "production"),
            ("agent-key", self.key.as_str()),
            ("registry-username", "eve"),
            ("registry-password", TOKEN),
        ];
        let (command, files) = job.prepare(program, &inputs)?;
        Ok(Run { command, outputs: Outputs(Some(files)) })
    }

    /// Whether `act` runs the workflow.
    pub(super) fn under_act(&self) -> bool {
        self.act.is_some()
    }

    /// The comments on the pull request.
    pub(super) fn comments(&self) -> Vec<String> {
        self.github.comments(PULL_REQUEST).into_iter().map(|(_, text)| text).collect()
    }
}

impl Outputs {
    /// The step's output `result-json`, once it ended.
    pub(super) fn result(&self, log: &[String]) -> Result<Value> {
        let text = match &self.0 {
            Some(files) => files.outputs()?.remove("result-json"),
            None => log.iter().rev().find_map(|line| Some(line.split_once(TOLD)?.1.to_owned())),
        };
        let result = text.and_then(|text| serde_json::from_str(&text).ok());
        result.ok_or_else(|| BedError::new(format!("demo: the step told no result:\n{}", log.join("\n"))))
    }
}

/// The template that deploys every push, as users copy it.
fn template() -> Result<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows-templates/deploy-on-push.yml");
    fs::read_to_string(&file).map_err(|error| BedError::file(&file, &error))
}
