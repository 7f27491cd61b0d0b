//! The two images that act needs: the machine that jobs run on, and the action.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::bed::{BedError, Machine, Registry, Result, run};

/// The machine's name in the engine; the number is its recipe's.
const JOB: &str = "deploy-action-bed/job:1";
/// What a step of a workflow can use: busybox, and the shell that act starts steps with.
const JOB_DOCKERFILE: &str = r#"FROM scratch
COPY busybox /bin/busybox
COPY bash-static /bin/bash
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox mkdir -p /usr/bin /usr/sbin /sbin /tmp /etc /root && /bin/busybox --install -s && echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd"]
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
"#;

/// Builds the machine unless the engine has it.
pub(super) fn job(machine: &Machine, dir: &Path) -> Result<String> {
    if machine.docker_output(&["image", "inspect", "--format", "{{.Id}}", JOB])?.code != 0 {
        let context = dir.join("job-image");
        let filled = fs::create_dir_all(&context)
            .and_then(|()| fs::write(context.join("Dockerfile"), JOB_DOCKERFILE))
            .and_then(|()| fs::copy("/bin/busybox", context.join("busybox")))
            .and_then(|_| fs::copy("/bin/bash-static", context.join("bash-static")));
        filled.map_err(|error| BedError::file(&context, &error))?;
        machine.docker(&["build", "--quiet", "--tag", JOB, &context.to_string_lossy()])?;
    }
    Ok(JOB.to_owned())
}

/// Builds and pushes the program under test as the action's image; gives the folder with its `action.yml`.
pub(super) fn action(machine: &Machine, registry: &Registry, program: &Path, dir: &Path) -> Result<PathBuf> {
    let tagged = format!("{}:test", registry.repository("deploy-action"));
    build(machine, program, dir, &tagged)?;
    machine.docker(&["push", "--quiet", &tagged])?;
    let digest = registry.digest("deploy-action", "test")?;
    let image = format!("{}@{digest}", registry.repository("deploy-action"));
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../action.yml");
    let text = fs::read_to_string(&file).map_err(|error| BedError::file(&file, &error))?;
    let replaced: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with("  image: docker://") {
            true => format!("  image: docker://{image}"),
            false => line.to_owned(),
        })
        .collect();
    let action = dir.join("action");
    let written = fs::create_dir_all(&action).and_then(|()| fs::write(action.join("action.yml"), replaced.join("\n")));
    written.map_err(|error| BedError::file(&action, &error))?;
    Ok(action)
}

/// Builds the action's image from the program under test, laid out as `script/image` does.
pub(crate) fn build(machine: &Machine, program: &Path, dir: &Path, name: &str) -> Result<()> {
    let context = dir.join("action-image");
    fill(&context, program).map_err(|error| BedError::file(&context, &error))?;
    machine.docker(&["build", "--quiet", "--tag", name, &context.to_string_lossy()]).map(drop)
}

/// The test build is linked to this machine's libraries, so they come along; the released program is static.
fn fill(context: &Path, program: &Path) -> io::Result<()> {
    fs::create_dir_all(context.join("root/tmp"))?;
    let said = run(std::process::Command::new("ldd").arg(program), Duration::from_secs(10));
    let said = said.and_then(|output| output.ok("ldd")).map_err(io::Error::other)?;
    let libraries = said.split_whitespace().filter(|word| word.starts_with('/'));
    for library in libraries.chain(["/etc/ssl/certs/ca-certificates.crt"]) {
        let target = context.join("root").join(library.trim_start_matches('/'));
        fs::create_dir_all(target.parent().unwrap_or(context))?;
        fs::copy(library, target)?;
    }
    fs::copy(program, context.join("root/deploy-action"))?;
    symlink("deploy-action", context.join("root/post"))?;
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Dockerfile"), context.join("Dockerfile")).map(drop)
}
