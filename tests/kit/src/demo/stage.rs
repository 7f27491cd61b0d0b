//! The stage: a bed with `examples/hello` on it, put up by hand as v1, and the repository that v2 and v3 come from.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::forge::Forge;
use super::options::Options;
use super::show::say;
use crate::bed::{AgentOptions, AgentService, AppImage, Bed, BedError, BedOptions, Result, wait_for};

/// The host of the example's router rule; browsers resolve `*.localhost` to this machine.
pub(super) const HOST: &str = "hello.localhost";
/// Longest wait for v1.
const LONG: Duration = Duration::from_secs(30);

/// Everything the steps play on.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) bed: Bed,
    pub(super) forge: Forge,
    /// The program that is shown.
    pub(super) program: PathBuf,
}

impl Stage {
    pub(super) fn set_up(options: &Options) -> Result<Self> {
        let program = env::var_os("DEPLOY_ACTION")
            .map(PathBuf::from)
            .ok_or_else(|| BedError::new("demo: DEPLOY_ACTION names no program: run script/demo, which builds it"))?;
        let mut bed = Bed::start(&BedOptions { prefix: "hello".to_owned(), ..BedOptions::with(&program) })?;
        if options.keep {
            // Now already: whoever wants to look around wants it most when the demo fails.
            bed.keep()?;
        }
        say(&format!("  registry   {}", bed.registry.address()));
        say(&format!("  Traefik    http://{HOST}:{}/ (its API: {})", bed.proxy.web().port(), bed.proxy.api_url()));
        let v1 = bed.push(&AppImage::version("v1"))?;

        bed.project.write("compose.yaml", &example("compose.yaml")?)?;
        bed.project.set_env(&[("HELLO_IMAGE", &v1), ("PROXY_NETWORK", bed.name())])?;
        bed.project.compose(&["up", "-d"])?;
        wait_for("hello v1 to serve", LONG, || bed.serves_only(HOST, "v1"))?;
        say(&format!("  hello v1   {} (examples/hello/compose.yaml)", bed.project.dir().display()));

        // Once the route is compiled, an application of this name is this bed's alone: it has its name.
        let web = AgentService { verify_for: "3s".to_owned(), ..AgentService::new("web") };
        let url = bed.start_agent(&AgentOptions::service(web))?.url();
        let config = filled_in(&example("deploy.yml")?, "http://127.0.0.1:9180", &url)?;
        let app = format!("app: {}\nimage: {{ repository: \"{}\" }}\n", bed.name(), bed.registry.repository("hello"));
        let config = filled_in(&config, "app: hello\n", &app)?;
        bed.write_deploy_yml(&config)?;
        say(&format!("  agent      {url}"));
        let forge = Forge::set_up(&mut bed, &program, &config, options)?;
        say(&format!("  commits    {} (workflows-templates/deploy-on-push.yml)", forge.dir().display()));
        Ok(Self { bed, forge, program })
    }

    /// The proven releases, newest first, as the command tells them.
    pub(super) fn releases(&self) -> Result<Value> {
        let history = self.bed.deploy_action(&["history", "production", "--format", "json"])?.ok("`history`")?;
        let history: Value = serde_json::from_str(&history)
            .map_err(|error| BedError::new(format!("demo: `history` prints no JSON: {error}")))?;
        Ok(history["releases"].clone())
    }

    /// Says where everything is that goes on.
    pub(super) fn keep(&mut self) -> Result<()> {
        let bed = &mut self.bed;
        let (agent, folder) = (bed.agent()?.url(), bed.dir().join("client"));
        let program = self.program.display();
        say(&format!("\nEverything goes on:\n  application  http://{HOST}:{}/", bed.proxy.web().port()));
        say(&format!("  Traefik      {}/dashboard/\n  agent        {agent}", bed.proxy.api_url()));
        say(&format!("  folder       {}", bed.dir().display()));
        say(&format!("\nTry it:\n  cd {}", folder.display()));
        say(&format!("  {program} status production --agent-key-file agent.key"));
        say(&format!("  {program} rollback production --agent-key-file agent.key"));
        say("\nEnd it:\n  script/demo --stop");
        Ok(())
    }
}

/// A file of `examples/hello`.
fn example(file: &str) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello").join(file);
    fs::read_to_string(&path).map_err(|error| BedError::new(format!("demo: {}: {error}", path.display())))
}

/// The example with a value of this bed in place of its own.
fn filled_in(text: &str, from: &str, to: &str) -> Result<String> {
    if !text.contains(from) {
        return Err(BedError::new(format!("demo: examples/hello no longer says {from:?}")));
    }
    Ok(text.replace(from, to))
}
