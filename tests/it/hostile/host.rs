//! The host's own programs that say too much, or are called often: the agent stays small and goes on.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use deploy_action::signing::AgentKey;
use serde_json::Value;

use super::scripted::{Asked, Piece, Scripted, head, whole};
use super::watched::peak_of;
use crate::request::Request;
use crate::stage::Stage;

/// Most memory of the agent in MiB.
const MEMORY: u64 = 96;

struct Scene {
    stage: Stage,
    to: SocketAddr,
    key: AgentKey,
}

impl Scene {
    fn new() -> Self {
        let mut stage = Stage::new();
        let agent = stage.bed.agent().expect("an agent");
        let (to, key) = (agent.address(), AgentKey::parse(agent.key()).expect("a key"));
        Self { stage, to, key }
    }

    /// What the agent says of the service, for which it asks compose, the engine and Traefik.
    fn asked(&self) -> (u16, Value) {
        let path = format!("/v1/apps/{}/services/web", self.stage.bed.name());
        let (status, text) = Request::get(&path).signed(&self.key).send(self.to);
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
    }

    fn process(&mut self) -> u32 {
        self.stage.bed.agent().expect("an agent").id().expect("it runs")
    }

    /// The programs that work in the project's folder: the agent's calls of compose.
    fn compose(&self) -> Vec<String> {
        let dir = self.stage.bed.project.dir();
        let works_there = |process: &PathBuf| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == dir);
        let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
        let name = |process: PathBuf| fs::read_to_string(process.join("comm")).unwrap_or_default();
        processes.filter(works_there).map(name).collect()
    }

    #[track_caller]
    fn assert_small(&mut self, what: &str) {
        let peak = peak_of(self.process());
        assert!(peak > 0 && peak <= MEMORY, "{what}: the agent held {peak} MiB");
    }
}

#[test]
fn a_compose_file_that_says_too_much_is_told_as_that() {
    let mut scene = Scene::new();
    let good = scene.stage.bed.project.read("compose.yaml").expect("reads");
    let long = format!("x-long: &long {}\n", "x".repeat(100_000));
    let labels: String = (0..60).map(|number| format!("      l{number}: *long\n")).collect();
    let other = format!("\n  other:\n    image: x\n    labels:\n{labels}networks:");
    let large = format!("{long}{}", good.replacen("\nnetworks:", &other, 1));
    let mut bomb = "x-a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for i in 1..12 {
        bomb.push_str(&format!("x-a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(",")));
    }
    for (what, text, sentence) in [
        ("6 MB", large, "more than 4 MiB"),
        ("aliases of aliases", format!("{bomb}{good}"), "did not end within 60 s"),
        ("no YAML", "services: [\n".to_owned(), "compose"),
    ] {
        scene.stage.bed.project.write("compose.yaml", &text).expect("writes");
        let (status, told) = scene.asked();
        assert_eq!(status, 503, "{what}: {told}");
        assert!(told["message"].to_string().contains(sentence), "{what}: {told}");
        assert!(told.to_string().len() < 3_000, "{what}: {told}");
        scene.assert_small(what);
    }
    scene.stage.bed.project.write("compose.yaml", &good).expect("writes");
    // Of the calls that the agent made meanwhile, none outlasts its time.
    scene
        .stage
        .wait_within(Duration::from_secs(90), "calls that were given up to be gone", || scene.compose().is_empty());
    scene.stage.deploy(&scene.stage.version("v2")).expect(0);
    scene.stage.assert_serves("v2");
}

#[test]
fn a_traefik_that_says_too_much_blocks_and_nothing_else() {
    let mut scene = Scene::new();
    type Answer = fn(&Asked) -> Vec<Piece>;
    let answers: [(&str, Answer); 4] = [
        ("pages without an end", |asked| {
            let page = asked.line.split_once("&page=").map(|(_, rest)| rest.split(' ').next().unwrap_or_default());
            let next = page.and_then(|page| page.parse::<u64>().ok()).unwrap_or_default() + 1;
            let items = vec!["{\"name\":\"x@docker\"}"; 100].join(",");
            whole("200 OK", &format!("X-Next-Page: {next}\r\n"), &format!("[{items}]"))
        }),
        ("a list without an end", |_| vec![head("200 OK"), Piece::Forever(b"[[],".to_vec())]),
        ("a page", |_| whole("200 OK", "", "<html>")),
        ("depth", |_| whole("200 OK", "", &"[".repeat(1_000_000))),
    ];
    let agent = scene.stage.bed.agent().expect("an agent");
    let good = fs::read_to_string(agent.config()).expect("reads");
    for (what, answer) in answers {
        let traefik = Scripted::new(answer);
        let agent = scene.stage.bed.agent().expect("an agent");
        let line = good.lines().find(|line| line.trim_start().starts_with("api:")).expect("a line");
        let text = good.replace(line, &format!("  api: http://{}", traefik.address));
        fs::write(agent.config(), text).expect("writes");
        agent.restart(&[]).expect("starts");
        let (status, told) = scene.asked();
        assert_eq!(status, 200, "{what}: {told}");
        assert!(told["blockers"].to_string().contains("traefik_unreachable"), "{what}: {told}");
        scene.assert_small(what);
    }
    scene.stage.assert_serves("v1");
}

#[test]
fn a_hundred_children_leave_no_zombie() {
    let mut scene = Scene::new();
    // Two calls of compose each.
    for _ in 0..50 {
        assert_eq!(scene.asked().0, 200);
    }
    let parent = scene.process();
    let zombies = fs::read_dir("/proc").expect("processes").flatten().filter(|entry| {
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        (fields.next(), fields.next()) == (Some("Z"), Some(&parent.to_string()))
    });
    assert_eq!(zombies.count(), 0);
    scene.assert_small("after a hundred children");
}
