//! Several applications on one host, each with several services: applications are independent, an application's services
//! are deployed one at a time.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use kit::bed::{AgentOptions, AgentService, AppImage, Bed, BedOptions, ComposeFile, ComposeService, Project, wait_for};
use kit::load::{Load, LoadConfig};

use crate::stage::PATIENCE;

const APPS: usize = 10;
const SERVICES: usize = 5;

fn app_name(app: usize) -> String {
    format!("app{app}")
}

/// Also the name of its router, which is Traefik's and not only its application's.
fn service_name(app: usize, service: usize) -> String {
    format!("s{app}-{service}")
}

fn host(app: usize, service: usize) -> String {
    format!("{}.test", service_name(app, service))
}

/// Its part of `agent.yml`, as [`AgentOptions`] writes that of the first application.
fn in_agent_yml(app: usize, project: &Project, image: &str) -> String {
    let services: String = (0..SERVICES)
        .map(|service| {
            let name = service_name(app, service);
            format!("      {name}: {{probe: /healthz, verify_for: 1s, drain_timeout: 5s, gate_timeout: 5m}}\n")
        })
        .collect();
    format!(
        "  {}:\n    project: {}\n    dir: {}\n    images: [{image}]\n    services:\n{services}",
        app_name(app),
        project.name(),
        project.dir().display()
    )
}

/// Fifty services of ten applications, all of version 1, with one agent.
struct Host {
    bed: Bed,
    agent_url: String,
    projects: Vec<Project>,
}

impl Host {
    fn new() -> Self {
        let mut bed = Bed::start(&BedOptions::with(env!("CARGO_BIN_EXE_deploy-action"))).expect("the bed starts");
        // Docker's own check of fifty containers would be most of what this machine does.
        bed.push(&AppImage::version("v1").without_healthcheck()).expect("version 1 is pushed");
        let repository = bed.registry.repository("hello");
        let image = format!("{repository}:v1");
        let projects: Vec<Project> = (0..APPS)
            .map(|app| {
                let project = bed.another_project(&app_name(app)).expect("a project");
                let service = |service| {
                    ComposeService::new(&service_name(app, service), &image)
                        .routed(&format!("Host(`{}`)", host(app, service)))
                };
                let file = (1..SERVICES).fold(ComposeFile::of(service(0)), |file, number| file.and(service(number)));
                project.write("compose.yaml", &file.render(bed.name())).expect("writes");
                project.up().expect("its services are up");
                project
            })
            .collect();

        let others: String =
            projects.iter().enumerate().map(|(app, project)| in_agent_yml(app, project, &repository)).collect();
        let services = vec![AgentService::new("none")];
        let options = AgentOptions { app: Some("none".to_owned()), services, extra: others, ..AgentOptions::default() };
        let agent = bed.prepare_agent(&options).expect("is prepared");
        let text = fs::read_to_string(agent.config()).expect("reads");
        let names: Vec<String> = (0..APPS).map(app_name).collect();
        let text = text.replace(r#"apps: ["none"]"#, &format!("apps: [{}]", names.join(", ")));
        let alone = text.find("  \"none\":\n").zip(text.find("  app0:\n")).expect("the agent's first application");
        fs::write(agent.config(), format!("{}{}", &text[..alone.0], &text[alone.1..])).expect("writes");
        agent.start(&[]).expect("starts");
        let host = Self { agent_url: agent.url(), bed, projects };
        for app in 0..APPS {
            host.write_deploy_yml(app);
        }
        host.wait("every route", || {
            (0..APPS).all(|app| (0..SERVICES).all(|service| host.version(app, service).as_deref() == Some("v1")))
        });
        host
    }

    fn folder(&self, app: usize) -> PathBuf {
        self.bed.dir().join("clients").join(app_name(app))
    }

    /// An environment for each of its services, named as it is.
    fn write_deploy_yml(&self, app: usize) {
        let agent = &self.agent_url;
        let environments: String = (0..SERVICES)
            .map(|service| {
                let name = service_name(app, service);
                format!("  {name}:\n    target:\n      vps: {{agent: \"{agent}\", service: {name}}}\n")
            })
            .collect();
        let folder = self.folder(app);
        fs::create_dir_all(&folder).expect("a folder");
        let text = format!("app: {}\nenvironments:\n{environments}", app_name(app));
        fs::write(folder.join("deploy.yml"), text).expect("writes");
    }

    fn command(&self, app: usize, arguments: &[&str]) -> Command {
        let mut command = self.bed.command(arguments).expect("a command");
        command.current_dir(self.folder(app));
        command
    }

    fn deploying(&self, app: usize, service: usize, image: &str) -> Child {
        let line = ["deploy", &service_name(app, service), "--image", image, "--format", "json"];
        let child = self.command(app, &line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        self.bed.takes(&child).expect("is noted");
        child
    }

    fn version(&self, app: usize, service: usize) -> Option<String> {
        let answer = self.bed.get("/", &host(app, service)).ok()?;
        answer.header("x-version").map(str::to_owned)
    }

    fn is_held(&self, app: usize) -> bool {
        let output = self.command(app, &["status", &service_name(app, 0), "--format", "json"]).output();
        let status: serde_json::Value = serde_json::from_slice(&output.expect("runs").stdout).unwrap_or_default();
        status["holder"].is_object()
    }

    fn ids(&self, app: usize, service: usize) -> Vec<String> {
        let found = self.projects[app].containers_of(&service_name(app, service)).expect("docker answers");
        found.into_iter().map(|container| container.id).collect()
    }

    /// The containers of all services but the first of each application.
    fn bystanders(&self) -> Vec<Vec<String>> {
        let all = (0..APPS).flat_map(|app| (1..SERVICES).map(move |service| (app, service)));
        all.map(|(app, service)| self.ids(app, service)).collect()
    }

    #[track_caller]
    fn wait(&self, what: &str, condition: impl FnMut() -> bool) {
        wait_for(what, PATIENCE, condition).expect("in time");
    }
}

#[track_caller]
fn ended(child: Child, code: i32) -> String {
    let output = child.wait_with_output().expect("it ends");
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[test]
fn ten_of_fifty_services_are_deployed_at_once_and_no_application_waits_for_another() {
    let host = Host::new();
    let v2 = host.bed.push(&AppImage::version("v2").without_healthcheck()).expect("is pushed");
    let slow = AppImage::version("v3").without_healthcheck().env("BOOT_MS", "600000");
    let slow = host.bed.push(&slow).expect("is pushed");
    let bystanders = host.bystanders();
    let target = host.bed.proxy.web_for_load().expect("an address");
    let load = Load::start(LoadConfig::new(target, "s9-0.test", 50));

    let mut held = host.deploying(0, 0, &slow);
    let mut lines = BufReader::new(held.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains(r#""phase_started","phase":"gate""#)), "it comes as far as its gate");
    let others: Vec<Child> = (1..APPS).map(|app| host.deploying(app, 0, &v2)).collect();
    let second = host.deploying(0, 1, &v2);
    let told = ended(second, 12);
    assert!(told.contains("of `s0-0`"), "one service of an application at a time: {told}");
    for other in others {
        ended(other, 0);
    }
    assert!(host.is_held(0), "nobody waited for it");
    let given_up = Command::new("sh").args(["-c", "kill -s INT \"$1\"", "kill", &held.id().to_string()]).status();
    assert!(given_up.expect("a shell").success());
    assert!(lines.any(|line| line.contains(r#""outcome":"cancelled""#)), "it is given up");
    ended(held, 40);

    let report = load.stop();
    assert_eq!(report.failed, 0, "{:?}", report.failures);
    for app in 0..APPS {
        let expected = if app == 0 { "v1" } else { "v2" };
        assert_eq!(host.version(app, 0).as_deref(), Some(expected), "application {app}");
        host.wait("one container", || host.ids(app, 0).len() == 1);
    }
    assert_eq!(host.bystanders(), bystanders, "the other forty are what they were");
    ended(host.deploying(0, 1, &v2), 0);
    assert_eq!(host.version(0, 1).as_deref(), Some("v2"));
}
