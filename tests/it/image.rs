//! Building and pushing with a real engine and a real registry: what comes out, and what a failure says.

mod faulty;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use deploy_action::clients::docker::{DEFAULT_HOST, Engine, RegistryLogin};
use deploy_action::clients::registry::{Credentials, Registry as Client};
use deploy_action::domain::{GitSha, ImageRef, Repository, Secret};
use deploy_action::event::DeployEvent;
use deploy_action::execute::image::{ImageJob, run};
use deploy_action::execute::{cancel_channel, event_channel};
use deploy_action::failure::Failure;
use deploy_action::plan::image::{BuildMode, BuildSpec, ImagePlan, plan, recipe_hash, tag};
use kit::bed::{Machine, Registry};

use faulty::{Fault, Faulty};

/// A base with a shell, imported from this machine's static busybox.
const BASE: &str = "deploy-action-bed/busybox:1";
/// `bob` / `s3cret`.
const BOB: &str = "bob:$2y$05$abcdefghijklmnopqrstuuLK7U1u6pVRmL7L1BBM2aS35PSZnDXlK\n";

/// A registry, a folder to build from, and what runs there.
struct Shop {
    machine: Machine,
    dir: tempfile::TempDir,
    registry: Registry,
    credentials: Credentials,
    spec: BuildSpec,
    mode: BuildMode,
    /// Where the image goes: the registry, or a door to it.
    door: SocketAddr,
    /// Cancels so long after the start.
    cancel_after: Option<Duration>,
    runtime: tokio::runtime::Runtime,
}

/// What came of it.
struct Made {
    result: Result<ImageRef, Failure>,
    reused: bool,
    events: Vec<DeployEvent>,
}

impl Shop {
    fn open(dockerfile: &str) -> Self {
        Self::with(dockerfile, |machine, dir| Registry::open(machine, dir).expect("a registry"))
    }

    fn with(dockerfile: &str, registry: impl FnOnce(&Machine, &std::path::Path) -> Registry) -> Self {
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
            platform: String::new(),
        };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (credentials, mode) = (Credentials::default(), BuildMode::Auto);
        Self { door: registry.address(), cancel_after: None, machine, dir, registry, credentials, spec, mode, runtime }
    }

    fn repository(&self) -> Repository {
        format!("{}/shop/web", self.door).parse().expect("a repository")
    }

    fn commit() -> GitSha {
        "0123456789abcdef0123456789abcdef01234567".parse().expect("a commit")
    }

    /// As the action does: ask the registry, decide, build where needed.
    fn make(&self) -> Made {
        let engine = Engine::new(&docker_host(&self.machine)).expect("an engine");
        let (mut events, mut told) = event_channel();
        let (canceller, cancel) = cancel_channel();
        let repository = self.repository();
        let hash = recipe_hash(&self.spec);
        let labels = BTreeMap::from([("recipe".to_owned(), hash)]);
        let mut reused = false;
        let result = self.runtime.block_on(async {
            let tag = tag(&Self::commit(), &self.spec);
            let has = Client::new(self.credentials.clone()).digest(&repository, &tag).await?;
            let plan = plan(self.mode, &repository, tag, has)?;
            reused = matches!(plan, ImagePlan::Reuse(_));
            let session = format!("{}-{}", self.registry.address(), self.dir.path().display()).replace('/', "-");
            let job = ImageJob {
                plan: &plan,
                spec: &self.spec,
                repository: &repository,
                labels: &labels,
                credentials: &self.credentials,
                engine: &engine,
                root: self.dir.path(),
                deadline: tokio::time::Instant::now() + Duration::from_secs(120),
                session: &session,
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
        let name = format!("{}:{}", self.repository(), tag(&Self::commit(), &self.spec));
        let _ = self.machine.docker_output(&["rmi", "--force", &name]);
    }
}

/// Where the docker command of this machine finds its engine.
fn docker_host(machine: &Machine) -> String {
    let told = machine.command("printenv").arg("DOCKER_HOST").output().expect("printenv").stdout;
    let told = String::from_utf8_lossy(&told).trim().to_owned();
    if told.is_empty() { DEFAULT_HOST.to_owned() } else { told }
}

/// Imports the base unless the engine has it.
fn base(machine: &Machine) {
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
    fn lines(&self) -> String {
        let lines = self.events.iter().filter_map(|event| match event {
            DeployEvent::BuildLine { text } => Some(format!("{text}\n")),
            _ => None,
        });
        lines.collect()
    }

    fn failure(&self) -> &Failure {
        let failure = self.result.as_ref().expect_err("a failure");
        assert_eq!(failure.kind.exit_code(), 20, "{}", failure.render());
        failure
    }

    /// Line of the problem told, and what it says.
    fn problem(&self) -> (Option<u64>, String) {
        let found = self.events.iter().find_map(|event| match event {
            DeployEvent::Problem { file, line, message } => Some((file, line, message)),
            _ => None,
        });
        let (file, line, message) = found.expect("a problem");
        assert_eq!(file, "context/Dockerfile");
        (*line, message.clone())
    }
}

#[test]
fn a_commit_is_built_pushed_and_then_reused() {
    let mut shop = Shop::open(&format!("FROM {BASE}\nARG WHO\nCOPY hello /\nRUN cat /hello && echo \"for $WHO\"\n"));
    // Another value in each run: nothing of it is in the engine's cache.
    let who = shop.dir.path().display().to_string();
    shop.spec.args.insert("WHO".to_owned(), who.clone());
    let made = shop.make();
    let image = made.result.as_ref().map_err(Failure::render).expect("an image");
    assert!(!made.reused);
    let tag = tag(&Shop::commit(), &shop.spec);
    assert_eq!(image.digest().as_str(), shop.registry.digest("shop/web", &tag).expect("a digest"));
    let lines = made.lines();
    assert!(lines.contains(&format!("  | for {who}\n")) && lines.contains("COPY hello /"), "{lines}");
    assert!(!lines.contains("[internal]"), "{lines}");
    assert!(made.events.contains(&DeployEvent::Pushed { image: image.clone() }));
    let label = shop.machine.docker(&[
        "inspect",
        "--format",
        "{{.Config.Labels.recipe}}",
        &format!("{}:{tag}", shop.repository()),
    ]);
    assert_eq!(label.expect("labels").trim(), recipe_hash(&shop.spec));

    let again = shop.make();
    assert!(again.reused && again.events.is_empty());
    assert_eq!(again.result.as_ref().ok(), Some(image));

    shop.mode = BuildMode::Always;
    let always = shop.make();
    assert!(!always.reused && always.result.is_ok());
    assert!(always.lines().contains("(cached)"), "{}", always.lines());
}

#[test]
fn a_failing_command_is_found_in_the_dockerfile() {
    let shop = Shop::open(&format!("FROM {BASE}\n\nRUN echo before && \\\n    exit 7\n"));
    let made = shop.make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("exit code: 7"), "{message}");
    assert!(made.lines().contains("  | before\n"), "{}", made.lines());
    assert!(
        made.failure().message.contains("context/Dockerfile:3: the step `[2/2] RUN echo before"),
        "{}",
        made.failure()
    );
}

#[test]
fn a_missing_source_is_found_in_the_dockerfile() {
    let made = Shop::open(&format!("FROM {BASE}\nCOPY hello /\nCOPY nowhere /x\n")).make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("nowhere"), "{message}");
    made.failure();
}

#[test]
fn a_syntax_error_is_found_in_the_dockerfile() {
    let made = Shop::open(&format!("FROM {BASE}\nRUN true\nCOPPY hello /\n")).make();
    let (line, message) = made.problem();
    assert_eq!(line, Some(3), "{message}");
    assert!(message.contains("COPPY"), "{message}");
    made.failure();
}

#[test]
fn an_unknown_target_is_told() {
    let mut shop = Shop::open(&format!("FROM {BASE} AS web\n"));
    shop.spec.target = Some("wep".to_owned());
    let made = shop.make();
    let (line, message) = made.problem();
    assert_eq!(line, None, "{message}");
    assert!(message.contains("wep"), "{message}");
    made.failure();
}

#[test]
fn a_registry_with_a_login_wants_the_right_one() {
    let dockerfile = format!("FROM {BASE}\nCOPY hello /\n");
    let mut shop = Shop::with(&dockerfile, |machine, dir| Registry::private(machine, dir, BOB).expect("a registry"));
    let host = shop.registry.address().to_string();
    let login =
        |password: &str| RegistryLogin { username: "bob".to_owned(), password: Secret::new(password.to_owned()) };

    let made = shop.make();
    assert_eq!(made.failure().message, format!("the registry `{host}` wants a login for `{host}/shop/web`"));
    shop.credentials = Credentials::default().with(&host, login("wrong"));
    let made = shop.make();
    assert_eq!(made.failure().message, format!("the registry `{host}` refuses the login for `{host}/shop/web`"));
    assert!(!made.failure().render().contains("wrong"));
    shop.credentials = Credentials::default().with(&host, login("s3cret"));
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
}

#[test]
fn a_registry_that_is_down_is_told() {
    let nowhere: Repository = "127.0.0.1:1/web".parse().expect("a repository");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let asked = runtime.block_on(Client::new(Credentials::default()).digest(&nowhere, "v1"));
    let failure = asked.expect_err("nobody listens there");
    assert_eq!(failure.message, "the registry `127.0.0.1:1` does not answer as expected");
    assert_eq!(failure.kind.exit_code(), 20);
}

#[test]
fn a_push_is_tried_again_where_the_registry_is_overloaded() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    let fault = Fault::Answer { method: "PUT /v2/shop/web/manifests/", status: "503 Service Unavailable", times: 2 };
    let faulty = Faulty::before(shop.registry.address(), fault);
    shop.door = faulty.address;
    let made = shop.make();
    assert!(made.result.is_ok(), "{}", made.failure().render());
    assert_eq!(faulty.met(), 2);
    let notes = made.events.iter().filter_map(|event| match event {
        DeployEvent::Note { text } if text.contains("again in") => Some(text.as_str()),
        _ => None,
    });
    let notes: Vec<&str> = notes.collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("503") && notes[0].ends_with("again in 1 s"), "{notes:?}");
}

#[test]
fn a_push_that_is_denied_is_not_tried_again() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    let fault = Fault::Answer { method: "POST", status: "403 Forbidden", times: 100 };
    let faulty = Faulty::before(shop.registry.address(), fault);
    shop.door = faulty.address;
    let made = shop.make();
    let host = shop.door;
    assert_eq!(made.failure().message, format!("the registry `{host}` wants a login for `{host}/shop/web`"));
}

#[test]
fn another_digest_than_was_pushed_is_refused() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    shop.door = Faulty::before(shop.registry.address(), Fault::OtherDigest).address;
    shop.mode = BuildMode::Always;
    let made = shop.make();
    let message = &made.failure().message;
    assert!(message.contains(&"0".repeat(64)) && message.ends_with(" was pushed"), "{message}");
    assert!(!made.events.iter().any(|event| matches!(event, DeployEvent::Pushed { .. })));
}

#[test]
fn a_cancelled_build_ends_at_once() {
    let mut shop = Shop::open("");
    let dockerfile = format!("FROM {BASE}\nRUN : {} && /bin/busybox sleep 60\n", shop.dir.path().display());
    fs::write(shop.spec.context.join("Dockerfile"), dockerfile).expect("a file");
    shop.cancel_after = Some(Duration::from_secs(2));
    let start = Instant::now();
    let made = shop.make();
    let failure = made.result.as_ref().expect_err("cancelled");
    assert_eq!(failure.kind.exit_code(), 40, "{}", failure.render());
    assert!(made.lines().contains("sleep 60"), "it was at work: {}", made.lines());
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn secrets_are_refused_with_a_sentence() {
    let mut shop = Shop::open("FROM scratch\nCOPY hello /\n");
    shop.spec.secrets.insert("npm".to_owned(), Secret::new("canary-7".to_owned()));
    let made = shop.make();
    let text = made.failure().render();
    assert!(text.starts_with("error: `secrets` cannot be passed to a build yet"), "{text}");
    assert!(!text.contains("canary-7"), "{text}");
}
