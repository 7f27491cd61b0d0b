//! A registry of the bed's own, on a free port of this host.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::error::{BedError, Result};
use super::http;
use super::images::{self, AppImage};
use super::machine::Machine;
use super::process::Process;
use super::run::run;
use super::sweep;
use super::token::{NAME, TokenServer};
use super::wait::{wait_for, wait_for_some};

/// Media types of image manifests; without them the registry answers in a form of its own, with another digest.
const MANIFESTS: &str = "application/vnd.docker.distribution.manifest.v2+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

/// The file in a bed's folder that names the addresses of its registries, a line each.
pub(super) const ADDRESSES: &str = "registry.addresses";

/// The running registry.
#[derive(Debug)]
pub struct Registry {
    address: SocketAddr,
    process: Process,
}

impl Registry {
    /// One that is open to everybody and keeps what it has in `dir`.
    ///
    /// # Errors
    /// It does not start.
    pub fn open(machine: &Machine, dir: &Path) -> Result<Self> {
        Self::serve(machine, dir, "registry", "")
    }

    /// A second door to what the bed of this folder has pushed, for those who log in only. `htpasswd` is a line
    /// `user:bcrypt`.
    ///
    /// # Errors
    /// It does not start.
    pub fn private(machine: &Machine, dir: &Path, htpasswd: &str) -> Result<Self> {
        let users = dir.join("private-registry.users");
        fs::write(&users, htpasswd).map_err(|error| BedError::file(&users, &error))?;
        let path = super::yaml::quoted(&users.to_string_lossy());
        Self::serve(machine, dir, "private-registry", &format!("auth: {{htpasswd: {{realm: bed, path: {path}}}}}\n"))
    }

    /// A door for those who get a token from this server.
    ///
    /// # Errors
    /// It does not start.
    pub fn with_tokens(machine: &Machine, dir: &Path, tokens: &TokenServer) -> Result<Self> {
        let bundle = super::yaml::quoted(&tokens.certificate.to_string_lossy());
        let extra = format!(
            "auth: {{token: {{realm: {realm:?}, service: {NAME}, issuer: {NAME}, rootcertbundle: {bundle}}}}}\n",
            realm = tokens.realm()
        );
        Self::serve(machine, dir, "token-registry", &extra)
    }

    /// A door with TLS, with the certificate of a token server that nobody vouches for.
    ///
    /// # Errors
    /// It does not start.
    pub fn with_tls(machine: &Machine, dir: &Path, tokens: &TokenServer) -> Result<Self> {
        let [certificate, key] =
            [&tokens.certificate, &tokens.key].map(|path| super::yaml::quoted(&path.to_string_lossy()));
        let tls = format!(", tls: {{certificate: {certificate}, key: {key}}}");
        Self::listen(machine, dir, "tls-registry", &tls, "")
    }

    fn serve(machine: &Machine, dir: &Path, name: &str, extra: &str) -> Result<Self> {
        Self::listen(machine, dir, name, "", extra)
    }

    fn listen(machine: &Machine, dir: &Path, name: &str, tls: &str, extra: &str) -> Result<Self> {
        let config = dir.join(format!("{name}.yml"));
        let text = format!(
            "version: 0.1\nlog: {{level: info, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http: {{addr: \"127.0.0.1:0\", secret: bed{tls}}}\n{extra}",
            super::yaml::quoted(&dir.join("registry").to_string_lossy())
        );
        fs::write(&config, text).map_err(|error| BedError::file(&config, &error))?;
        let mut command = machine.command(&machine.registry);
        let mut process = Process::start(command.arg("serve").arg(&config), dir, name)?;
        let address: SocketAddr = wait_for_some("the registry to listen", Duration::from_secs(20), || {
            if let Some(code) = process.ended(Duration::ZERO)? {
                return Err(BedError::new(format!("bed: the registry ended with {code}:\n{}", process.said())));
            }
            // Port 0 lets the system choose: the log is where the choice is told.
            let said = process.said();
            let rest = said.split("listening on ").nth(1);
            Ok(rest.and_then(|rest| rest.split(['"', ',', ' ', '\n']).next()?.parse().ok()))
        })?;
        // Read by whoever removes the images of a crashed bed.
        let note = dir.join(ADDRESSES);
        let noted = fs::read_to_string(&note).unwrap_or_default();
        fs::write(&note, format!("{noted}{address}\n")).map_err(|error| BedError::file(&note, &error))?;
        // A registry that had this port before may have left names in the engine: an image that is there is not pulled.
        let forgotten = || sweep::forget_images(machine, &address.to_string());
        wait_for("the engine to know no image of this address", Duration::from_secs(60), forgotten)?;
        Ok(Self { address, process })
    }

    /// Lets it go on without this value.
    pub(super) fn release(&mut self) {
        self.process.release();
    }

    /// Signals it by the signal's name, for example `STOP`: it hangs then, and connections to it do.
    ///
    /// # Errors
    /// It does not run.
    pub fn signal(&self, name: &str) -> Result<()> {
        self.process.signal(name)
    }

    /// Where it listens; as text, the first part of its images' names.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `127.0.0.1:port/repository`.
    pub fn repository(&self, repository: &str) -> String {
        format!("{}/{repository}", self.address)
    }

    /// Builds a version of the sample app and pushes it; gives `repository@digest`. The name is removed from the
    /// engine afterwards, so that a deployment has something to pull.
    ///
    /// # Errors
    /// Building or pushing fails.
    pub fn push(&self, machine: &Machine, image: &AppImage, scratch: &Path) -> Result<String> {
        let local = images::app(machine, image, scratch)?;
        let repository = self.repository(&image.repository);
        let tagged = format!("{repository}:{}", image.version);
        machine.docker(&["tag", &local, &tagged])?;
        machine.docker(&["push", "--quiet", &tagged])?;
        let digest = self.digest(&image.repository, &image.version)?;
        machine.docker(&["rmi", &tagged])?;
        Ok(format!("{repository}@{digest}"))
    }

    /// Pushes an image index with one image in it, as builders with attestations or several platforms do; gives the
    /// index's digest.
    ///
    /// # Errors
    /// The registry has no such image, or refuses.
    pub fn index(&self, machine: &Machine, repository: &str, image: &str, scratch: &Path) -> Result<String> {
        let path = format!("/v2/{repository}/manifests/{image}");
        let answer = http::request(self.address, "HEAD", &self.address.to_string(), &path, &[("Accept", MANIFESTS)])?;
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": header("content-type"),
                "size": header("content-length").parse::<u64>().unwrap_or_default(),
                "digest": image,
                "platform": {"os": "linux", "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }},
            }],
        });
        let file = scratch.join("index.json");
        fs::write(&file, index.to_string()).map_err(|error| BedError::file(&file, &error))?;
        let mut curl = machine.command("curl");
        curl.args(["--silent", "--show-error", "--fail", "--request", "PUT", "--data-binary"]);
        curl.arg(format!("@{}", file.display()));
        curl.args(["--header", "Content-Type: application/vnd.oci.image.index.v1+json"]);
        curl.arg(format!("http://{}/v2/{repository}/manifests/index", self.address));
        run(&mut curl, Duration::from_secs(20))?.ok("pushing the index")?;
        self.digest(repository, "index")
    }

    /// The digest of a tag, as the registry itself tells it.
    ///
    /// # Errors
    /// There is no such tag.
    pub fn digest(&self, repository: &str, tag: &str) -> Result<String> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let answer = http::request(self.address, "HEAD", &self.address.to_string(), &path, &[("Accept", MANIFESTS)])?;
        let digest = answer.header("docker-content-digest").filter(|_| answer.status == 200);
        digest.map(str::to_owned).ok_or_else(|| BedError::new(format!("bed: {path}: status {}", answer.status)))
    }

    /// Deletes a manifest, so that nobody can pull it any more.
    ///
    /// # Errors
    /// The registry refuses.
    pub fn delete(&self, repository: &str, digest: &str) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let answer = http::request(self.address, "DELETE", &self.address.to_string(), &path, &[])?;
        if answer.status == 202 { Ok(()) } else { Err(BedError::new(format!("bed: {path}: status {}", answer.status))) }
    }
}
