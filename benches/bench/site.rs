//! A bed for measurements: version 1 by plain compose, and the released program as its agent.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use deploy_action::agent_api::{API, DeployRequest, Wanted};
use deploy_action::clients::agent::AgentClient;
use deploy_action::domain::{AppName, ServiceName};
use deploy_action::event::{DeployEvent, Stamped};
use deploy_action::signing::AgentKey;
use kit::bed::{AgentOptions, AgentService, AppImage, Bed, BedOptions, ComposeFile, ComposeService, wait_for};

/// The host that the route names.
pub(crate) const HOST: &str = "app.test";
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The released program, as `script/bench` built it.
pub(crate) fn program() -> PathBuf {
    std::env::var_os("DEPLOY_ACTION").map(PathBuf::from).expect("DEPLOY_ACTION names the program: use script/bench")
}

/// The application: boots at once, every request takes 200 ms.
pub(crate) fn image(version: &str) -> AppImage {
    AppImage::version(version).env("WORK_MS", "200")
}

/// The compose file with an image.
pub(crate) fn compose(bed: &Bed, image: &str) -> String {
    ComposeFile::of(ComposeService::new("web", image).routed(&format!("Host(`{HOST}`)"))).render(bed.name())
}

/// A bed whose project runs version 1.
pub(crate) fn bed(options: &BedOptions) -> Bed {
    let bed = Bed::start(options).expect("a bed");
    let first = bed.push(&image("v1")).expect("version 1 is pushed");
    bed.project.write("compose.yaml", &compose(&bed, &first)).expect("a compose file");
    bed.project.up().expect("version 1 is up");
    wait_for("version 1", PATIENCE, || bed.serves_only(HOST, "v1")).expect("version 1 serves");
    bed
}

/// A bed with an agent, and a client of it.
pub(crate) struct Site {
    pub(crate) bed: Bed,
    client: AgentClient,
    runtime: tokio::runtime::Runtime,
}

impl Site {
    pub(crate) fn new(change: impl FnOnce(&mut AgentService)) -> Self {
        let mut bed = bed(&BedOptions::with(program()));
        let mut service = AgentService::new("web");
        change(&mut service);
        let agent = bed.start_agent(&AgentOptions::service(service)).expect("the agent starts");
        let key = AgentKey::parse(agent.key()).expect("a key");
        let client = AgentClient::new(agent.url().parse().expect("an address"), key).expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { bed, client, runtime }
    }

    /// Asks the agent for a version and follows the deployment to its end. The first value is the moment of asking.
    pub(crate) fn deploy(&self, image: &str) -> (Instant, jiff::Timestamp, Vec<Stamped>) {
        let app: AppName = self.bed.name().parse().expect("a name");
        let service: ServiceName = "web".parse().expect("a name");
        let request = DeployRequest {
            before_deploy: None,
            api: API,
            version: None,
            idempotency_key: format!("bench-{}", jiff::Timestamp::now().as_nanosecond()).parse().expect("a key"),
            want: Wanted::Image(image.parse().expect("an image")),
            expected_revision: None,
            requested_by: "bench".to_owned(),
            credential: None,
        };
        self.runtime.block_on(async {
            let (asked, at) = (Instant::now(), jiff::Timestamp::now());
            let deployment = self.client.submit(&app, &service, &request).await.expect("is taken on");
            let mut events: Vec<Stamped> = Vec::new();
            loop {
                let after = events.last().map_or(0, |event| event.seq);
                let page = self.client.events(&deployment.id, after, Duration::from_secs(20)).await.expect("events");
                events.extend(page.events);
                if page.done {
                    return (asked, at, events);
                }
            }
        })
    }

    /// Waits until one container is left.
    pub(crate) fn settled(&self) {
        wait_for("the old container to be gone", PATIENCE, || {
            self.bed.containers_of("web").is_ok_and(|containers| containers.len() == 1)
        })
        .expect("the old container goes");
    }

    /// The agent's process.
    pub(crate) fn agent_pid(&mut self) -> u32 {
        let config = self.bed.agent().expect("an agent").config();
        let ours = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let words: Vec<_> = line.split(|byte| *byte == 0).collect();
            words.contains(&config.as_os_str().as_encoded_bytes()) && words.contains(&&b"serve"[..])
        };
        let entries = std::fs::read_dir("/proc").expect("/proc");
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        ids.into_iter().find(ours).expect("the agent runs")
    }
}

/// A number of `/proc/<pid>/status`, in the file's unit.
pub(crate) fn status_of(pid: u32, name: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the line is there");
    line.trim_start_matches(':').split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
}

/// When an event of a kind came, in milliseconds after `since`.
pub(crate) fn when(events: &[Stamped], since: jiff::Timestamp, wanted: impl Fn(&DeployEvent) -> bool) -> Option<f64> {
    let event = events.iter().find(|event| wanted(&event.event))?;
    Some((event.at.as_nanosecond() - since.as_nanosecond()) as f64 / 1e6)
}
