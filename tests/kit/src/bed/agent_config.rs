//! `agent.yml` for tests, every knob of it.

use super::yaml::{list, quoted};

/// A service's part of `agent.yml`. Empty texts leave a key out.
#[derive(Debug, Clone)]
pub struct AgentService {
    /// The compose service. Default `web`.
    pub name: String,
    /// Default `/healthz`.
    pub probe: String,
    /// The URL that proves a deployment. Default none, so that the agent takes the rule's host and the probe.
    pub proof: String,
    /// Default `1s`, so that tests do not wait.
    pub verify_for: String,
    /// Default `5s`.
    pub drain_timeout: String,
    /// Default `15s`.
    pub gate_timeout: String,
    /// Default none: ten minutes.
    pub pull_timeout: String,
    /// Default none: five.
    pub keep_releases: String,
    /// `allowed` or nothing.
    pub before_deploy: String,
    /// `allowed` or nothing.
    pub overlap: String,
}

impl AgentService {
    /// A service with the defaults above.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            probe: "/healthz".to_owned(),
            proof: String::new(),
            verify_for: "1s".to_owned(),
            drain_timeout: "5s".to_owned(),
            gate_timeout: "15s".to_owned(),
            pull_timeout: String::new(),
            keep_releases: String::new(),
            before_deploy: String::new(),
            overlap: String::new(),
        }
    }

    fn render(&self) -> String {
        let mut text = format!("      {}:\n", self.name);
        for (key, value) in [
            ("probe", &self.probe),
            ("proof", &self.proof),
            ("verify_for", &self.verify_for),
            ("drain_timeout", &self.drain_timeout),
            ("gate_timeout", &self.gate_timeout),
            ("pull_timeout", &self.pull_timeout),
            ("keep_releases", &self.keep_releases),
            ("before_deploy", &self.before_deploy),
            ("overlap", &self.overlap),
        ] {
            if !value.is_empty() {
                text.push_str(&format!("        {key}: {}\n", quoted(value)));
            }
        }
        if text.lines().count() == 1 { format!("      {}: {{}}\n", self.name) } else { text }
    }
}

/// How the agent is set up and started.
#[derive(Debug, Clone)]
pub struct AgentOptions {
    /// The application. Default: the bed's name, so that nothing on the engine is shared with another bed.
    pub app: Option<String>,
    /// Default: one, `web`.
    pub services: Vec<AgentService>,
    /// Repositories whose images are accepted. Default: `hello` of the bed's registry.
    pub images: Option<Vec<String>>,
    /// Further lines at the top level.
    pub extra: String,
    /// What the agent is started through, for example `setpriv` with its options. Default nothing.
    pub wrapper: Vec<String>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            app: None,
            services: vec![AgentService::new("web")],
            images: None,
            extra: String::new(),
            wrapper: Vec::new(),
        }
    }
}

impl AgentOptions {
    /// The defaults, but for the one service.
    pub fn service(service: AgentService) -> Self {
        Self { services: vec![service], ..Self::default() }
    }
}

/// What the bed knows and the options do not.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) agent_id: &'a str,
    pub(super) listen: String,
    pub(super) state_dir: &'a str,
    pub(super) key_id: &'a str,
    pub(super) public_key: &'a str,
    pub(super) app: &'a str,
    pub(super) project: &'a str,
    pub(super) project_dir: &'a str,
    pub(super) images: Vec<String>,
    /// Folder, API and the two entry points.
    pub(super) traefik: [String; 4],
}

impl AgentOptions {
    pub(super) fn render(&self, around: &Surroundings<'_>) -> String {
        let [folder, api, web, websecure] = &around.traefik;
        let services: String = self.services.iter().map(AgentService::render).collect();
        let app = quoted(around.app);
        format!(
            "agent_id: {}\nlisten: {}\nstate_dir: {}\n\
             keys:\n  - {{id: {}, ed25519: {}, apps: [{app}]}}\n\
             traefik:\n  dir: {}\n  api: {}\n  entrypoints:\n    web: {}\n    websecure: {}\n\
             apps:\n  {app}:\n    project: {}\n    dir: {}\n    images: {}\n    services:\n{services}{}\n",
            quoted(around.agent_id),
            quoted(&around.listen),
            quoted(around.state_dir),
            quoted(around.key_id),
            quoted(around.public_key),
            quoted(folder),
            quoted(api),
            quoted(web),
            quoted(websecure),
            quoted(around.project),
            quoted(around.project_dir),
            list(&around.images),
            self.extra,
        )
    }
}
