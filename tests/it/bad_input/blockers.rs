//! What a host can be like so that a swap would not be safe: each is refused before anything is changed, exit 13.

use kit::bed::{AgentOptions, AgentService, AppImage, BedOptions, ComposeFile, ComposeService, ProxyOptions};

use super::transcript::{Plain, World};
use crate::stage::{Setting, Stage, web};

/// Services of one host, each in the way of its own deployment.
const BLOCKED: [&str; 8] = ["named", "published", "uploads", "hostnet", "none", "blind", "lonely", "hostless"];
/// Those that run; of the others the file alone is in the way.
const RUNNING: [&str; 5] = ["named", "blind", "lonely", "hostless", "proven"];

fn routed(name: &str, image: &str) -> ComposeService {
    ComposeService::new(name, image).routed(&format!("Host(`{name}.test`)"))
}

fn by_path(name: &str, image: &str, priority: &str) -> ComposeService {
    ComposeService::new(name, image)
        .routed(&format!("PathPrefix(`/{name}`)"))
        .label(&format!("traefik.http.routers.{name}.priority"), priority)
}

fn compose(bed: &str, image: &str, plain: &str) -> ComposeFile {
    ComposeFile::of(routed("named", image).with(&format!("container_name: {bed}-by-name")))
        .and(routed("published", image).with("ports: [\"127.0.0.1:18080:8080\"]"))
        .and(routed("uploads", image).with("volumes: [\"data:/data\"]"))
        .and(ComposeService::new("hostnet", image).with("network_mode: host"))
        .and(routed("none", image).replicas(0))
        .and(ComposeService::new("blind", plain))
        .and(routed("lonely", image).with("networks: [apart]"))
        .and(by_path("hostless", image, "1"))
        .and(routed("shared", image).with("volumes: [\"data:/data\"]"))
        .and(by_path("proven", image, "500"))
        .with(&format!("  apart: {{labels: {{{}: \"{bed}\"}}}}", kit::bed::LABEL))
        .with("volumes: {data: {}}")
}

fn services() -> Vec<AgentService> {
    let mut services: Vec<AgentService> =
        BLOCKED.into_iter().chain(["shared", "proven"]).map(AgentService::new).collect();
    for service in &mut services {
        match service.name.as_str() {
            "blind" => service.probe.clear(),
            "hostnet" => service.probe = ":8080/healthz".to_owned(),
            "shared" => service.overlap = "allowed".to_owned(),
            "proven" => service.proof = "http://proven.test/proven/".to_owned(),
            _ => {}
        }
    }
    services
}

struct Scene {
    stage: Stage,
    plain: Plain,
    v2: String,
}

impl Scene {
    fn of(mut stage: Stage) -> Self {
        let (plain, v2) = (Plain::of(&mut stage.bed), stage.version("v2"));
        Self { stage, plain, v2 }
    }

    fn new() -> Self {
        let agent = AgentOptions { services: services(), ..AgentOptions::default() };
        let mut stage = Stage::set(Setting { agent, up: false, ..Setting::default() });
        let blind = stage.push(&AppImage::version("plain").without_healthcheck());
        let file = compose(stage.bed.name(), &stage.v1, &blind).render(stage.bed.name());
        stage.bed.project.write("compose.yaml", &file).expect("writes");
        stage.bed.project.compose(&[&["up", "-d", "--wait"], &RUNNING[..]].concat()).expect("up");
        let url = stage.bed.agent().expect("an agent").url();
        let target =
            |service: &str| format!("  {service}: {{target: {{vps: {{agent: {url}, service: {service}}}}}}}\n");
        let environments: String = services().iter().map(|service| target(&service.name)).collect();
        let text = format!("app: {}\nenvironments:\n{environments}", stage.bed.name());
        stage.bed.write_deploy_yml(&text).expect("writes");
        stage.wait("the labels to route", || {
            ["named", "lonely", "hostless", "proven"]
                .iter()
                .all(|name| !stage.bed.proxy.servers(&format!("{name}@docker")).is_empty())
        });
        Self::of(stage)
    }

    /// Refused for exactly one reason, and nothing is changed.
    #[track_caller]
    fn refused(&mut self, name: &str, code: i32, line: &[&str]) {
        let before = World::of(&mut self.stage);
        let output = self.stage.bed.deploy_action(line).expect("the command runs");
        assert_eq!(output.code, code, "{name}: {output:?}\n{}", self.stage.agent_log());
        assert_eq!(World::of(&mut self.stage), before, "{name}: something was changed");
        insta::assert_snapshot!(name, self.plain.transcript(&line.join(" "), &output));
    }
}

#[test]
fn each_is_refused_and_what_lifts_it_lifts_it() {
    let mut scene = Scene::new();
    let v2 = scene.v2.clone();
    for service in BLOCKED {
        scene.refused(service, 13, &["deploy", service, "--image", &v2]);
    }
    scene.refused("image_not_allowed", 11, &["deploy", "proven", "--image", &v2.replace("/hello@", "/other@")]);
    scene.refused("no_earlier_release", 13, &["rollback", "proven"]);

    // What lifts a blocker: `overlap: allowed`, and `proof`.
    let plan = scene.stage.bed.deploy_action(&["plan", "shared", "--image", &v2]).expect("the command runs");
    assert_eq!(plan.code, 0, "{plan:?}");
    let run = scene.stage.run(&["deploy", "proven", "--image", &v2, "--format", "json"]).expect(0);
    assert_eq!(run.result()["outcome"], "deployed");
    scene.stage.wait("the old container to be gone", || scene.stage.containers("proven").len() == 1);

    image_missing(&mut scene);
    labels_changed(&mut scene);
    other_files(&mut scene);
    scene.stage.bed.proxy.stop().expect("Traefik stops");
    scene.refused("traefik_down", 13, &["deploy", "proven", "--image", &v2]);
}

/// Taken on, and given up by the agent: containers and routes stay as they are.
fn image_missing(scene: &mut Scene) {
    let before = World::of(&mut scene.stage);
    let (repository, _) = scene.v2.split_once('@').expect("a digest");
    let missing = format!("{repository}@sha256:{}", "1".repeat(64));
    let output = scene.stage.bed.deploy_action(&["deploy", "proven", "--image", &missing]).expect("the command runs");
    assert_eq!(output.code, 30, "{output:?}");
    let after = World::of(&mut scene.stage);
    assert!(after.serves_as(&before), "{before:?}\n{after:?}");
    insta::assert_snapshot!("image_missing", scene.plain.tidy(&output.stderr));
}

fn labels_changed(scene: &mut Scene) {
    let file = scene.stage.bed.project.read("compose.yaml").expect("reads");
    let v1 = scene.stage.v1.clone();
    let middleware = "\"traefik.http.middlewares.proven.plugin.x.y\": \"1\"\n";
    for (name, (from, to)) in [
        ("labels_changed", ("routers.proven.rule", "routers.proven.rulez")),
        ("labels_lower", ("priority\": \"500\"", "priority\": \"499\"")),
        (
            "labels_unknown",
            (
                "\"traefik.http.routers.proven.rule\"",
                &format!("{middleware}      \"traefik.http.routers.proven.rule\""),
            ),
        ),
    ] {
        assert!(file.contains(from), "{file}");
        scene.stage.bed.project.write("compose.yaml", &file.replace(from, to)).expect("writes");
        scene.refused(name, 13, &["deploy", "proven", "--image", &v1]);
    }
    scene.stage.bed.project.write("compose.yaml", &file).expect("writes");
}

fn other_files(scene: &mut Scene) {
    scene.stage.bed.project.write("other.yaml", "services: {}\n").expect("writes");
    let agent = scene.stage.bed.agent().expect("an agent");
    let config = std::fs::read_to_string(agent.config()).expect("reads");
    let files = config.replace("    images: ", "    files: [compose.yaml, other.yaml]\n    images: ");
    std::fs::write(agent.config(), files).expect("writes");
    agent.restart(&[]).expect("restarts");
    let v1 = scene.stage.v1.clone();
    scene.refused("compose_mismatch", 13, &["deploy", "proven", "--image", &v1]);
}

#[test]
fn traefik_in_the_hosts_network() {
    let proxy = ProxyOptions { host_network: true, ..ProxyOptions::default() };
    let bed = BedOptions { proxy, ..BedOptions::with(env!("CARGO_BIN_EXE_deploy-action")) };
    let setting = Setting { bed, ..Setting::default() }.compose(|image| ComposeFile::of(web(image)));
    let mut scene = Scene::of(Stage::set(setting));
    let v2 = scene.v2.clone();
    scene.refused("traefik_in_host_network", 13, &["deploy", "production", "--image", &v2]);
    scene.refused("verify_shows_blockers", 13, &["verify"]);
}
