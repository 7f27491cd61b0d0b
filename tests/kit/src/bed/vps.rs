//! The bed itself: its parts, put together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use super::agent::{Agent, keygen};
use super::agent_config::{AgentOptions, Surroundings};
use super::engine::{Engine, EngineOptions};
use super::error::{BedError, Result};
use super::http::{self, Answer};
use super::images::AppImage;
use super::machine::Machine;
use super::project::{Container, Project};
use super::proxy::{Proxy, ProxyOptions, free_port};
use super::registry::Registry;
use super::run::run;
use super::{LABEL, sweep};

/// The key's id in `agent.yml`.
const KEY_ID: &str = "ci";

/// What a bed is made of.
#[derive(Debug, Clone)]
pub struct BedOptions {
    /// The first part of its name. Default `dab`.
    pub prefix: String,
    /// The command `deploy-action`; without it there is neither an agent nor [`Bed::deploy_action`].
    pub deploy_action: Option<PathBuf>,
    /// How its Traefik differs from what set-up gives.
    pub proxy: ProxyOptions,
    /// An engine of its own instead of the machine's.
    pub engine: Option<EngineOptions>,
    /// Its network sets addresses aside that the engine hands out to nobody by itself.
    pub spare_addresses: bool,
}

impl Default for BedOptions {
    fn default() -> Self {
        Self {
            prefix: "dab".to_owned(),
            deploy_action: None,
            proxy: ProxyOptions::default(),
            engine: None,
            spare_addresses: false,
        }
    }
}

impl BedOptions {
    /// The defaults, with the command at this path.
    pub fn with(deploy_action: impl Into<PathBuf>) -> Self {
        Self { deploy_action: Some(deploy_action.into()), ..Self::default() }
    }
}

/// Makes the bed's network.
fn network(machine: &Machine, name: &str, spare_addresses: bool) -> Result<()> {
    let label = format!("{LABEL}={name}");
    let create = ["network", "create", "--label", &label];
    if !spare_addresses {
        return machine.docker(&[&create[..], &[name]].concat()).map(drop);
    }
    // Addresses of its own are not chosen by the engine: one that another network has is refused, and the next is tried.
    let from = std::process::id();
    let mut refused = None;
    for attempt in 0..64 {
        let nth = (from.wrapping_add(attempt * 7)) % 256;
        let (subnet, range) = (format!("10.213.{nth}.0/24"), format!("10.213.{nth}.128/25"));
        let gateway = format!("10.213.{nth}.1");
        let addresses = ["--subnet", &subnet, "--gateway", &gateway, "--ip-range", &range];
        let addresses = [&addresses[..], &["--label", "deploy-agent.addresses=kept", name]].concat();
        match machine.docker(&[&create[..], &addresses].concat()) {
            Ok(_) => return Ok(()),
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| BedError::new("bed: no network was asked for")))
}

/// A "VPS" on this machine. Dropped, it is removed.
#[derive(Debug)]
pub struct Bed {
    name: String,
    pub(super) dir: PathBuf,
    pub(super) deploy_action: Option<PathBuf>,
    keep: bool,
    /// Programs and docker.
    pub machine: Machine,
    /// The registry.
    pub registry: Registry,
    /// Traefik.
    pub proxy: Proxy,
    /// The compose project, which has the bed's name.
    pub project: Project,
    pub(super) agent: Option<Agent>,
    /// The engine, where it is the bed's own.
    engine: Option<Engine>,
}

impl Bed {
    /// Sets up network, registry, Traefik and an empty compose project.
    ///
    /// # Errors
    /// The machine is not prepared, or a part does not start.
    pub fn start(options: &BedOptions) -> Result<Self> {
        Self::start_as(&sweep::new_name(&options.prefix), options)
    }

    fn start_as(name: &str, options: &BedOptions) -> Result<Self> {
        static SWEPT: Once = Once::new();
        let machine = Machine::find()?;
        // What a killed run left behind takes memory and ports from this one. If it cannot be swept, it is for the
        // steps below to say what is wrong with docker.
        SWEPT.call_once(|| drop(sweep::sweep(&machine)));
        let dir = sweep::claim(name)?;
        let built = (|| {
            let engine = options.engine.as_ref().map(|options| Engine::start_for(&machine, name, &dir, options));
            let engine = engine.transpose()?;
            let machine = engine.as_ref().map_or(&machine, Engine::machine);
            network(machine, name, options.spare_addresses)?;
            let registry = Registry::open(machine, &dir)?;
            let proxy = Proxy::start(machine, name, &dir, &options.proxy)?;
            let project = Project::new(machine, name, dir.join("project"))?;
            Ok((machine.clone(), registry, proxy, project, engine))
        })();
        let (machine, registry, proxy, project, engine) = built.inspect_err(|_| sweep::remove(&machine, name))?;
        let deploy_action = options.deploy_action.clone();
        Ok(Self {
            name: name.to_owned(),
            dir,
            deploy_action,
            keep: false,
            machine,
            registry,
            proxy,
            project,
            agent: None,
            engine,
        })
    }

    /// Its name: also its network's and its compose project's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Leaves everything as it is when the bed is dropped; [`super::remove`] ends it.
    ///
    /// # Errors
    /// The note that says so cannot be written.
    pub fn keep(&mut self) -> Result<()> {
        self.keep = true;
        sweep::keep(&self.name)
    }

    /// Builds a version of the sample app and pushes it to the bed's registry; gives `repository@digest`.
    ///
    /// # Errors
    /// Building or pushing fails.
    pub fn push(&self, image: &AppImage) -> Result<String> {
        self.registry.push(&self.machine, image, &self.dir)
    }

    /// Another compose project of this host, removed with the bed as long as its containers carry the bed's label.
    ///
    /// # Errors
    /// Its folder cannot be written.
    pub fn another_project(&self, name: &str) -> Result<Project> {
        Project::new(&self.machine, &format!("{}-{name}", self.name), self.dir.join(format!("project-{name}")))
    }

    /// Writes `agent.yml` with a new key, starts the agent, and writes the `deploy.yml` of its caller: environment
    /// `production`, with the first service.
    ///
    /// # Errors
    /// There is no command, or the agent does not start.
    pub fn start_agent(&mut self, options: &AgentOptions) -> Result<&mut Agent> {
        self.prepare_agent(options)?.start(&[])?;
        self.agent()
    }

    /// As [`Bed::start_agent`], without starting it.
    ///
    /// # Errors
    /// There is no command, or a file cannot be written.
    pub fn prepare_agent(&mut self, options: &AgentOptions) -> Result<&mut Agent> {
        let program = self.program()?.to_owned();
        let (private, public) = keygen(self.machine.command(&program), &self.name, KEY_ID)?;
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let agent = Agent::new(&self.machine, &self.dir, &program, &options.wrapper, address, private);
        let app = options.app.as_deref().unwrap_or(&self.name);
        let folder = |path: &Path| path.to_string_lossy().into_owned();
        let text = options.render(&Surroundings {
            agent_id: &self.name,
            listen: address.to_string(),
            state_dir: &folder(&agent.state_dir()),
            key_id: KEY_ID,
            public_key: &public,
            app,
            project: self.project.name(),
            project_dir: &folder(self.project.dir()),
            images: options.images.clone().unwrap_or_else(|| vec![self.registry.repository("hello")]),
            traefik: [
                folder(self.proxy.folder()),
                self.proxy.api_url(),
                format!("http://{}", self.proxy.web()),
                format!("https://{}", self.proxy.websecure()),
            ],
        });
        fs::write(agent.config(), text).map_err(|error| BedError::file(&agent.config(), &error))?;
        let service = options.services.first().map_or("web", |service| service.name.as_str());
        self.write_deploy_yml(&format!(
            "app: {app}\nenvironments:\n  production:\n    target:\n      vps: {{agent: {}, service: {service}}}\n",
            agent.url()
        ))?;
        self.write_key(agent.key())?;
        Ok(self.agent.insert(agent))
    }

    /// The agent.
    ///
    /// # Errors
    /// It was never prepared.
    pub fn agent(&mut self) -> Result<&mut Agent> {
        self.agent.as_mut().ok_or_else(|| BedError::new("bed: there is no agent: call `start_agent` first"))
    }

    /// The engine of its own.
    ///
    /// # Errors
    /// It uses the machine's: `BedOptions::engine` is not set.
    pub fn engine(&mut self) -> Result<&mut Engine> {
        self.engine.as_mut().ok_or_else(|| BedError::new("bed: `BedOptions::engine` is not set"))
    }

    /// GET through Traefik's entry point `web`.
    ///
    /// # Errors
    /// No complete answer.
    pub fn get(&self, path: &str, host: &str) -> Result<Answer> {
        self.proxy.get(path, host)
    }

    /// The same with further headers.
    ///
    /// # Errors
    /// No complete answer.
    pub fn get_with(&self, path: &str, host: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        http::request(self.proxy.web(), "GET", host, path, headers)
    }

    /// GET through entry point `websecure`, whatever its certificate. Gives status and body.
    ///
    /// # Errors
    /// No complete answer.
    pub fn get_tls(&self, path: &str, host: &str) -> Result<(u16, String)> {
        let to = self.proxy.websecure();
        let mut curl = self.machine.command("curl");
        curl.args(["--silent", "--show-error", "--insecure", "--max-time", "10", "--write-out", "\n%{http_code}"]);
        curl.args(["--resolve", &format!("{host}:{}:{}", to.port(), to.ip())]);
        curl.arg(format!("https://{host}:{}{path}", to.port()));
        let text = run(&mut curl, Duration::from_secs(15))?.ok("curl")?;
        let (body, code) = text.rsplit_once('\n').unwrap_or_default();
        Ok((code.parse().unwrap_or(0), body.to_owned()))
    }

    /// Who answers `/` of a host: 20 requests, counted by `X-Version`, or by `status_…` where there is none.
    ///
    /// # Errors
    /// A request gets no complete answer.
    pub fn versions_serving(&self, host: &str) -> Result<BTreeMap<String, u32>> {
        let mut versions = BTreeMap::new();
        for _ in 0..20 {
            let answer = http::request(self.proxy.web(), "GET", host, "/", &[])?;
            let version = answer.header("x-version").map(str::to_owned);
            *versions.entry(version.unwrap_or_else(|| format!("status_{}", answer.status))).or_default() += 1;
        }
        Ok(versions)
    }

    /// Whether this version, and no other, answers a host's `/`.
    pub fn serves_only(&self, host: &str, version: &str) -> bool {
        let only = |versions: BTreeMap<String, u32>| versions.into_keys().eq([version.to_owned()]);
        self.versions_serving(host).is_ok_and(only)
    }

    /// The containers of a service in any state.
    ///
    /// # Errors
    /// Docker does not answer.
    pub fn containers_of(&self, service: &str) -> Result<Vec<Container>> {
        self.project.containers_of(service)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.keep {
            self.registry.release();
            self.agent.iter_mut().for_each(Agent::release);
            self.engine.iter_mut().for_each(Engine::release);
        } else {
            self.agent = None;
            sweep::remove(&self.machine, &self.name);
        }
    }
}
