//! Traefik in a container of the bed, as a small host runs it: routes from labels and from a folder of files.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::{BedError, Result};
use super::http::{self, Answer};
use super::machine::Machine;
use super::run::run;
use super::wait::wait_for_some;
use super::{LABEL, images};

/// How this bed's Traefik differs from what set-up gives.
#[derive(Debug, Clone, Default)]
pub struct ProxyOptions {
    /// Its file provider reads another folder than the one that the agent writes to.
    pub files_elsewhere: bool,
    /// It runs in the host's network instead of the bed's.
    pub host_network: bool,
    /// `providersThrottleDuration`, for example `3s`: one change of a route has to wait so long after another. Default
    /// 200ms.
    pub throttle: String,
    /// Members of entry point `web` beside its address, for example
    /// `http: {redirections: {entryPoint: {to: websecure}}}`.
    pub web: String,
    /// The same of entry point `websecure`, for example `http: {tls: {}}`.
    pub websecure: String,
    /// It counts no answers.
    pub no_metrics: bool,
    /// Further lines at the top level of the static configuration.
    pub extra: String,
}

/// The running Traefik.
#[derive(Debug, Clone)]
pub struct Proxy {
    machine: Machine,
    container: String,
    folder: PathBuf,
    host_network: bool,
    /// Ports of 127.0.0.1: entry points `web` and `websecure`, and the API.
    ports: [u16; 3],
}

/// The same ports inside the container, unless it runs in the host's network.
const INSIDE: [u16; 3] = [8000, 8443, 8080];
/// The address under which this machine reaches published ports.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Set-up's file about it.
const DEFAULT_CERTIFICATE: &str = "tls: {stores: {default: {defaultCertificate: {certFile: /etc/traefik/dynamic/default.crt, \
                                       keyFile: /etc/traefik/dynamic/default.key}}}}\n";

/// The certificate for hosts that have none of their own. Without it Traefik makes an RSA key with every change of a route.
fn default_certificate(machine: &Machine, folder: &Path) -> Result<()> {
    let mut openssl = machine.command("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=bed", "-keyout"]).arg(folder.join("default.key"));
    run(openssl.arg("-out").arg(folder.join("default.crt")), Duration::from_secs(60))?.ok("making a key")?;
    let file = folder.join("default-certificate.yml");
    fs::write(&file, DEFAULT_CERTIFICATE).map_err(|error| BedError::file(&file, &error))
}

impl Proxy {
    pub(super) fn start(machine: &Machine, bed: &str, dir: &Path, options: &ProxyOptions) -> Result<Self> {
        let folder = dir.join("traefik");
        for path in [&folder, &dir.join("elsewhere")] {
            fs::create_dir_all(path).map_err(|error| BedError::file(path, &error))?;
        }
        default_certificate(machine, &folder)?;
        let image = images::traefik(machine, dir)?;
        // Between choosing a free port and using it, another program may take it.
        for _ in 0..4 {
            if let Ok(proxy) = Self::run(machine, bed, dir, &image, options) {
                return Ok(proxy);
            }
            machine.docker_output(&["rm", "-f", &container(bed)])?;
        }
        Self::run(machine, bed, dir, &image, options)
    }

    fn run(machine: &Machine, bed: &str, dir: &Path, image: &str, options: &ProxyOptions) -> Result<Self> {
        let proxy = Self {
            machine: machine.clone(),
            container: container(bed),
            folder: dir.join("traefik"),
            host_network: options.host_network,
            ports: [free_port()?, free_port()?, free_port()?],
        };
        let config = dir.join("traefik.yml");
        fs::write(&config, proxy.config(bed, options)).map_err(|error| BedError::file(&config, &error))?;
        let mut run: Vec<String> = ["run", "-d", "--name", &proxy.container, "--label"].map(str::to_owned).into();
        run.push(format!("{LABEL}={bed}"));
        run.extend(["--restart".to_owned(), "always".to_owned()]);
        let network = if proxy.host_network { "host" } else { bed };
        run.extend(["--network".to_owned(), network.to_owned()]);
        if !proxy.host_network {
            for (outside, inside) in proxy.ports.iter().zip(INSIDE) {
                run.extend(["-p".to_owned(), format!("{HERE}:{outside}:{inside}")]);
            }
        }
        for (source, target) in [
            (config.as_path(), "/traefik.yml"),
            (&proxy.folder, "/etc/traefik/dynamic"),
            (&dir.join("elsewhere"), "/etc/traefik/elsewhere"),
            (&machine.traefik, "/traefik"),
            (Path::new(&machine.socket()), "/var/run/docker.sock"),
        ] {
            run.extend(["-v".to_owned(), format!("{}:{target}:ro", source.display())]);
        }
        run.extend([image.to_owned(), "--configFile=/traefik.yml".to_owned()]);
        machine.docker(&run.iter().map(String::as_str).collect::<Vec<_>>())?;
        proxy.await_answer()?;
        Ok(proxy)
    }

    fn config(&self, bed: &str, options: &ProxyOptions) -> String {
        let [web, websecure, api] = if self.host_network { self.ports } else { INSIDE };
        let address = |port: u16| if self.host_network { format!("{HERE}:{port}") } else { format!(":{port}") };
        let members = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
        let metrics = if options.no_metrics { "" } else { "metrics: {prometheus: {}}\n" };
        let folder = if options.files_elsewhere { "elsewhere" } else { "dynamic" };
        format!(
            "entryPoints:\n  web: {{address: \"{}\"{}}}\n  websecure: {{address: \"{}\"{}}}\n  traefik: {{address: \"{}\"}}\n\
             api: {{insecure: true}}\n\
             {metrics}\
             log: {{level: INFO}}\n\
             providers:\n  providersThrottleDuration: {}\n  docker:\n    exposedByDefault: false\n    \
             constraints: \"LabelRegex(`com.docker.compose.project`, `^{bed}(-.*)?$`) || Label(`{LABEL}`, `{bed}`)\"\n  \
             file: {{directory: /etc/traefik/{folder}, watch: true}}\n\
             serversTransport: {{forwardingTimeouts: {{idleConnTimeout: 1s, dialTimeout: 1s}}}}\n{}\n",
            address(web),
            members(&options.web),
            address(websecure),
            members(&options.websecure),
            address(api),
            if options.throttle.is_empty() { "200ms" } else { &options.throttle },
            options.extra
        )
    }

    /// Waits until Traefik answers and has read its providers.
    fn await_answer(&self) -> Result<()> {
        wait_for_some("Traefik to answer", Duration::from_secs(30), || {
            let up = self.machine.docker(&["inspect", "--format", "{{.State.Running}}", &self.container])?;
            if up.trim() != "true" {
                return Err(BedError::new(format!("bed: Traefik ended:\n{}", self.log()?)));
            }
            Ok(self.api("/api/overview").ok().map(drop))
        })
    }

    /// Its container's name.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The folder that the agent writes to; Traefik reads it unless told otherwise.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `http://127.0.0.1:port` of the API.
    pub fn api_url(&self) -> String {
        format!("http://{HERE}:{}", self.ports[2])
    }

    /// Entry point `web` as this machine reaches it.
    pub fn web(&self) -> SocketAddr {
        SocketAddr::new(HERE, self.ports[0])
    }

    /// Entry point `websecure` as this machine reaches it.
    pub fn websecure(&self) -> SocketAddr {
        SocketAddr::new(HERE, self.ports[1])
    }

    /// Entry point `web` without docker's port forwarder in between, which dies under load: see [`crate::load`].
    ///
    /// # Errors
    /// Traefik does not run.
    pub fn web_for_load(&self) -> Result<SocketAddr> {
        if self.host_network {
            return Ok(self.web());
        }
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = self.machine.docker(&["inspect", "--format", format, &self.container])?;
        let address = address.trim().parse();
        let address = address.map_err(|_| BedError::new(format!("bed: {} has no address", self.container)))?;
        Ok(SocketAddr::new(address, INSIDE[0]))
    }

    /// An answer of the API, for example to `/api/http/routers`.
    ///
    /// # Errors
    /// No answer, another status than 200, or not JSON.
    pub fn api(&self, path: &str) -> Result<serde_json::Value> {
        let to = SocketAddr::new(HERE, self.ports[2]);
        let answer = http::request(to, "GET", &to.to_string(), path, &[])?;
        if answer.status != 200 {
            return Err(BedError::new(format!("bed: Traefik answered {path} with {}: {}", answer.status, answer.body)));
        }
        serde_json::from_str(&answer.body).map_err(|error| BedError::new(format!("bed: {path}: {error}")))
    }

    /// The addresses that a service of Traefik sends to, for example of `hello@docker`; empty if there is none.
    pub fn servers(&self, service: &str) -> Vec<String> {
        let found = self.api(&format!("/api/http/services/{service}")).unwrap_or_default();
        let servers = found["loadBalancer"]["servers"].as_array().cloned().unwrap_or_default();
        let mut urls: Vec<String> = servers.iter().filter_map(|it| it["url"].as_str().map(str::to_owned)).collect();
        urls.sort();
        urls
    }

    /// GET through entry point `web`.
    ///
    /// # Errors
    /// No complete answer.
    pub fn get(&self, path: &str, host: &str) -> Result<Answer> {
        http::request(self.web(), "GET", host, path, &[])
    }

    /// Stops and starts it; its ports stay.
    ///
    /// # Errors
    /// It does not come back within 30 s.
    pub fn restart(&self) -> Result<()> {
        self.machine.docker(&["restart", "--time", "1", &self.container])?;
        self.await_answer()
    }

    /// Stops it for good, or until [`Proxy::restart`].
    ///
    /// # Errors
    /// Docker refuses.
    pub fn stop(&self) -> Result<()> {
        self.machine.docker(&["stop", "--time", "1", &self.container]).map(drop)
    }

    /// Everything it has logged.
    ///
    /// # Errors
    /// There is no such container.
    pub fn log(&self) -> Result<String> {
        let output = self.machine.docker_output(&["logs", &self.container])?;
        Ok(format!("{}{}", output.stdout, output.stderr))
    }
}

fn container(bed: &str) -> String {
    format!("{bed}-traefik")
}

/// A port of 127.0.0.1 that nobody listens on at this moment.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((HERE, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| BedError::new(format!("bed: no free port: {error}")))
}

#[cfg(test)]
mod tests {
    use super::DEFAULT_CERTIFICATE;

    #[test]
    fn the_readme_sets_traefik_up_like_this() {
        let readme = include_str!("../../../../README.md");
        for part in [DEFAULT_CERTIFICATE, "providersThrottleDuration: 200ms", "idleConnTimeout: 1s, dialTimeout: 1s"] {
            assert!(readme.contains(part), "{part}");
        }
    }
}
