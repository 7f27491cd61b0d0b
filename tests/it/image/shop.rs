//! A registry, a folder to build from, and the way from one to the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use deploy_action::clients::docker::{DEFAULT_HOST, Engine};
use deploy_action::clients::registry::{Credentials, Registry as Client};
use deploy_action::domain::{GitSha, ImageRef, Redact, Repository};
use deploy_action::event::DeployEvent;
use deploy_action::execute::image::{ImageJob, run};
use deploy_action::execute::{cancel_channel, event_channel};
use deploy_action::failure::Failure;
use deploy_action::plan::image::{BuildMode, BuildSpec, ImagePlan, plan, recipe_hash, tag};
use kit::bed::{Machine, Registry};

/// A base with a shell, imported from this machine's static busybox.
pub(crate) const BASE: &str = "deploy-action-bed/busybox:1";

/// A registry, a folder to build from, and what runs there.
pub(crate) struct Shop {
    pub(crate) machine: Machine,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) registry: Registry,
    pub(crate) credentials: Credentials,
    pub(crate) spec: BuildSpec,
    pub(crate) mode: BuildMode,
    /// Where the image goes: the registry, or a door to it.
    pub(crate) door: SocketAddr,
    /// Another engine than the machine's, as `tcp://…`.
    pub(crate) engine: Option<String>,
    /// Cancels so long after the start.
    pub(crate) cancel_after: Option<Duration>,
    runtime: tokio::runtime::Runtime,
}

/// What came of it.
pub(crate) struct Made {
    pub(crate) result: Result<ImageRef, Failure>,
    pub(crate) reused: bool,
    pub(crate) events: Vec<DeployEvent>,
}

impl Shop {
    pub(crate) fn open(dockerfile: &str) -> Self {
        Self::with(dockerfile, |machine, dir| Registry::open(machine, dir).expect("a registry"))
    }

    pub(crate) fn with(dockerfile: &str, registry: impl FnOnce(&Machine, &std::path::Path) -> Registry) -> Self {
        let machine = Machine::find().expect("a prepared machine");
        base(&machine);
        let dir = tempfile::tempdir().expect("a folder");
        let context = dir.path().join("context");
        fs::create_dir(&context).expect("a folder");
        fs::write(context.join("Dockerfile"), dockerfile).expect("a file");
        fs::write(context.join("hello"), "hello\n").expect("a file");
        let registry = registry(&machine, dir.path());
        let spec = BuildSpec {
            context,
            dockerfile: "Dockerfile".to_owned(),
            target: None,
            args: BTreeMap::new(),
            secrets: BTreeMap::new(),
            platform: "linux/amd64".to_owned(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (credentials, mode) = (Credentials::default(), BuildMode::Auto);
        Self {
            door: registry.address(),
            engine: None,
            cancel_after: None,
            machine,
            dir,
            registry,
            credentials,
            spec,
            mode,
            runtime,
        }
    }

    pub(crate) fn repository(&self) -> Repository {
        format!("{}/shop/web", self.door).parse().expect("a repository")
    }

    /// Writes another Dockerfile.
    pub(crate) fn dockerfile(&self, text: &str) {
        fs::write(self.spec.context.join("Dockerfile"), text).expect("a file");
    }

    pub(crate) fn commit() -> GitSha {
        "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit")
    }

    /// Takes what was made here from the engine.
    pub(crate) fn forget(&self) {
        forget(&self.machine, &self.repository().to_string());
    }

    /// The files of an image but those that the engine reads for itself.
    pub(crate) fn content(&self, image: &str) -> BTreeSet<String> {
        let container = self.machine.docker(&["create", image, "none"]).expect("a container").trim().to_owned();
        let script = "docker export \"$0\" | tar -t";
        let listed = self.machine.command("sh").args(["-c", script, &container]).output().expect("sh").stdout;
        self.machine.docker(&["rm", &container]).expect("removed");
        // The engine adds these to every container.
        let own = ["dev/", "proc/", "sys/", "etc/", ".dockerenv", "Dockerfile", ".dockerignore"];
        let listed = String::from_utf8_lossy(&listed).into_owned();
        let files = listed.lines().filter(|name| !name.ends_with('/') && !own.iter().any(|own| name.starts_with(own)));
        files.map(str::to_owned).collect()
    }

    /// As the action does: ask the registry, decide, build where needed.
    pub(crate) fn make(&self) -> Made {
        let engine =
            Engine::new(&self.engine.clone().unwrap_or_else(|| docker_host(&self.machine))).expect("an engine");
        let (mut events, mut told) = event_channel();
        let (canceller, cancel) = cancel_channel();
        let repository = self.repository();
        let labels = BTreeMap::from([("recipe".to_owned(), recipe_hash(&self.spec))]);
        let mut redact = Redact::default();
        self.spec.secrets.values().for_each(|secret| redact.hide(secret.expose()));
        let mut reused = false;
        let result = self.runtime.block_on(async {
            let tag = tag(&Self::commit(), &self.spec);
            let has = Client::new(self.credentials.clone()).digest(&repository, &tag).await?;
            let plan = plan(self.mode, &repository, tag, has)?;
            reused = matches!(plan, ImagePlan::Reuse(_));
            let job = ImageJob {
                plan: &plan,
                spec: &self.spec,
                repository: &repository,
                labels: &labels,
                credentials: &self.credentials,
                redact: &redact,
                engine: &engine,
                root: self.dir.path(),
                deadline: tokio::time::Instant::now() + Duration::from_secs(120),
            };
            let work = run(&job, &mut events, &cancel);
            tokio::pin!(work);
            if let Some(after) = self.cancel_after {
                if let Ok(result) = tokio::time::timeout(after, &mut work).await {
                    return result;
                }
                canceller.ask();
            }
            work.await
        });
        drop(events);
        let events = std::iter::from_fn(|| told.try_recv().ok()).map(|stamped| stamped.event).collect();
        Made { result, reused, events }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Takes all images of a repository from the engine. What has another name as well stays under that.
pub(crate) fn forget(machine: &Machine, repository: &str) {
    let reference = format!("reference={repository}");
    let format = ["--format", "{{.Repository}}:{{.Tag}}\n{{.Repository}}@{{.Digest}}"];
    let list = ["images", "--digests", "--filter", &reference, format[0], format[1]];
    let names = machine.docker_output(&list).map(|output| output.stdout).unwrap_or_default();
    for name in names.lines().filter(|name| !name.contains("<none>")) {
        // The second name of one that is gone is gone too.
        let _ = machine.docker_output(&["rmi", "--force", name]);
    }
}

/// Where the docker command of this machine finds its engine.
fn docker_host(machine: &Machine) -> String {
    let told = machine.command("printenv").arg("DOCKER_HOST").output().expect("printenv").stdout;
    let told = String::from_utf8_lossy(&told).trim().to_owned();
    if told.is_empty() { DEFAULT_HOST.to_owned() } else { told }
}

/// Imports the base unless the engine has it.
pub(crate) fn base(machine: &Machine) {
    if machine.docker_output(&["image", "inspect", BASE]).expect("docker").code == 0 {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let tar = dir.path().join("base.tar");
    let script = "mkdir -p \"$0/bin\" && cp /bin/busybox \"$0/bin/\" && ln -s busybox \"$0/bin/sh\" && ln -s busybox \"$0/bin/cat\" \
                  && tar -C \"$0\" -cf \"$1\" bin";
    let filled = machine.command("sh").arg("-c").arg(script).arg(dir.path().join("root")).arg(&tar).status();
    assert!(filled.expect("sh").success());
    machine.docker(&["import", &tar.to_string_lossy(), BASE]).expect("imports");
}

impl Made {
    pub(crate) fn lines(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            DeployEvent::BuildLine { text } => Some(format!("{text}\n")),
            _ => None,
        });
        lines.collect()
    }

    pub(crate) fn failure(&self) -> &Failure {
        let failure = self.result.as_ref().expect_err("a failure");
        assert_eq!(failure.kind.exit_code(), 20, "{}", failure.render());
        failure
    }

    /// Line of the problem told, and what it says.
    pub(crate) fn problem(&self) -> (Option<u64>, String) {
        let found = self.events.iter().find_map(|event| match event {
            DeployEvent::Problem { file, line, message } => Some((file, line, message)),
            _ => None,
        });
        let (file, line, message) = found.expect("a problem");
        assert_eq!(file, "context/Dockerfile");
        (*line, message.clone())
    }
}
