//! Images, built once per engine and found again by what they hold.

use std::fs;
use std::io;
use std::path::Path;

use super::error::{BedError, Result};
use super::machine::Machine;
use crate::app::BodySum;

/// The sample app as one version of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppImage {
    /// The repository in the bed's registry. Default `hello`.
    pub repository: String,
    /// What `X-Version` says, and the tag.
    pub version: String,
    /// `MODE`, see [`crate::app`]. Default none.
    pub mode: String,
    /// Further environment of the image.
    pub env: Vec<(String, String)>,
    /// Whether the image has a health check (every second). Default true.
    pub healthcheck: bool,
}

impl AppImage {
    /// A version that does nothing wrong.
    pub fn version(version: &str) -> Self {
        let (repository, mode) = ("hello".to_owned(), String::new());
        Self { repository, version: version.to_owned(), mode, env: Vec::new(), healthcheck: true }
    }

    /// The same with modes of the sample app, separated by commas.
    #[must_use]
    pub fn mode(mut self, mode: &str) -> Self {
        mode.clone_into(&mut self.mode);
        self
    }

    /// The same without a health check.
    #[must_use]
    pub fn without_healthcheck(mut self) -> Self {
        self.healthcheck = false;
        self
    }

    /// The same in another repository.
    #[must_use]
    pub fn repository(mut self, repository: &str) -> Self {
        repository.clone_into(&mut self.repository);
        self
    }

    /// The same with one more variable in the image's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes what builds it into a folder: a Dockerfile and the program.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, machine: &Machine, folder: &Path) -> Result<()> {
        let written = fs::write(folder.join("Dockerfile"), self.dockerfile())
            .and_then(|()| fs::copy(&machine.kit_app, folder.join("kit-app")));
        written.map(drop).map_err(|error| BedError::file(folder, &error))
    }

    fn dockerfile(&self) -> String {
        let mut text = "FROM scratch\nCOPY kit-app /kit-app\n".to_owned();
        let given = [("VERSION", self.version.as_str()), ("MODE", self.mode.as_str())];
        for (name, value) in given.into_iter().chain(self.env.iter().map(|(n, v)| (n.as_str(), v.as_str()))) {
            // `$` would be expanded by docker.
            text.push_str(&format!("ENV {name}={}\n", super::yaml::quoted(value).replace('$', "\\$")));
        }
        if self.healthcheck {
            text.push_str("HEALTHCHECK --interval=1s --timeout=10s --retries=3 CMD [\"/kit-app\", \"healthcheck\"]\n");
        }
        text.push_str("ENTRYPOINT [\"/kit-app\"]\n");
        text
    }
}

/// Builds a version of the sample app unless the engine has it; gives its local name.
pub(super) fn app(machine: &Machine, image: &AppImage, scratch: &Path) -> Result<String> {
    let dockerfile = image.dockerfile();
    let program = fs::read(&machine.kit_app).map_err(|error| BedError::file(&machine.kit_app, &error))?;
    let mut sum = BodySum::default();
    sum.add(&program);
    sum.add(dockerfile.as_bytes());
    let name = format!("deploy-action-bed/app:{}", sum.hex());
    build(machine, &name, &dockerfile, Some(&machine.kit_app), scratch)?;
    Ok(name)
}

/// Builds the image that Traefik's program is mounted into, unless the engine has it; gives its local name. A copy of
/// 180 MB for each engine would be most of the time that a bed takes to start.
pub(super) fn traefik(machine: &Machine, scratch: &Path) -> Result<String> {
    let name = "deploy-action-bed/traefik:mounted".to_owned();
    build(machine, &name, "FROM scratch\nENTRYPOINT [\"/traefik\"]\n", None, scratch)?;
    Ok(name)
}

fn build(machine: &Machine, name: &str, dockerfile: &str, program: Option<&Path>, scratch: &Path) -> Result<()> {
    if machine.docker_output(&["image", "inspect", "--format", "{{.Id}}", name])?.code == 0 {
        return Ok(());
    }
    let context = scratch.join(format!("build-{}", name.replace(['/', ':'], "-")));
    let filled = (|| -> io::Result<()> {
        fs::create_dir_all(&context)?;
        fs::write(context.join("Dockerfile"), dockerfile)?;
        program.map_or(Ok(()), |program| fs::copy(program, context.join("kit-app")).map(drop))
    })();
    filled.map_err(|error| BedError::file(&context, &error))?;
    let mut command = machine.command("docker");
    // An attestation would make the image an index, whose digest changes with every build.
    command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
    if machine.docker_output(&["buildx", "version"])?.code != 0 {
        command.env("DOCKER_BUILDKIT", "0");
    }
    command.args(["build", "--quiet", "--tag", name]).arg(&context);
    let built = super::run::run(&mut command, std::time::Duration::from_secs(300))?;
    built.ok(&format!("building {name}"))?;
    fs::remove_dir_all(&context).map_err(|error| BedError::file(&context, &error))
}
