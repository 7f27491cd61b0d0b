//! Names that lead nowhere, doors without a key to them, and silence: whoever is meant is named, in time.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use kit::bed::{Registry, TokenServer};

use super::scripted::Scripted;
use super::watched::Watched;
use crate::action::user::{PROGRAM, User, push};

/// Longest that a run may take, whatever does not answer.
const TIME: Duration = Duration::from_secs(60);
/// Most memory in MiB.
const MEMORY: u64 = 96;
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

struct Scene {
    user: User,
    image: String,
}

impl Scene {
    /// Deploys with these inputs; gives what the run said.
    #[track_caller]
    fn run(&self, what: &str, code: i32, inputs: &[(&str, &str)], github: Option<&str>) -> String {
        let mut job = self.user.job("push", &push(SHA), SHA);
        if let Some(url) = github {
            job.set("GITHUB_API_URL", url);
        }
        let usual = [("image", self.image.as_str()), ("timeout", "20s")];
        let given = usual.into_iter().filter(|(name, _)| inputs.iter().all(|(other, _)| other != name));
        let inputs = self.user.inputs(&given.chain(inputs.iter().copied()).collect::<Vec<_>>());
        let (mut command, _files) = job.prepare(Path::new(PROGRAM), &inputs).expect("a step");
        let watched = Watched::run(&mut command, TIME * 2);
        watched.assert_within(what, code, MEMORY, TIME);
        watched.said()
    }
}

#[test]
fn whoever_is_not_reached_is_named_in_time() {
    let user = User::new();
    let image = user.stage.version("v2");
    let machine = user.stage.bed.machine.clone();
    let scene = Scene { user, image };
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silence = silent.local_addr().expect("an address").to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let server = TokenServer::start(&machine, dir.path(), "bob", "s3cret").expect("a key");
    // Its certificate is nobody's that this machine trusts.
    let registry = Registry::with_tls(&machine, dir.path(), &server).expect("a registry");
    let strange = registry.address().to_string();

    for (host, code, why) in [
        ("nowhere.invalid", 13, "its name cannot be resolved"),
        (strange.as_str(), 13, "its TLS certificate is not trusted"),
        (silence.as_str(), 32, "was asked"),
    ] {
        let url = if host == silence { format!("http://{host}") } else { format!("https://{host}") };
        let said =
            scene.run(host, code, &[("agent-url", &url), ("service", "web"), ("environment", "production")], None);
        assert!(said.contains(&format!("the agent at `{url}`")) && said.contains(why), "{said}");
    }
    // Of a registry of this host any certificate is taken; this one has none, at an address that is not only this host's.
    let bed = scene.user.stage.bed.name().to_owned();
    let gateway = ["network", "inspect", &bed, "--format", "{{(index .IPAM.Config 0).Gateway}}"];
    let plain = Scripted::at(machine.docker(&gateway).expect("docker answers").trim(), |_| Vec::new());
    let plain = plain.address.to_string();
    for (host, code, why) in [
        ("nowhere.invalid", 20, "cannot be reached"),
        (plain.as_str(), 20, "cannot be reached"),
        (silence.as_str(), 32, "was asked"),
    ] {
        let said = scene.run(host, code, &[("image", &format!("{host}/hello:v2"))], None);
        assert!(said.contains(&format!("the registry `{host}`")) && said.contains(why), "{said}");
    }
    for url in ["https://nowhere.invalid".to_owned(), format!("https://{strange}"), format!("http://{silence}")] {
        let said = scene.run(&url, 0, &[], Some(&url));
        assert!(said.contains("not reported: ") && said.contains("GitHub"), "{said}");
        let whole = "GitHub is not reached";
        assert!(
            said.contains(whole) || said.contains("GitHub does not answer") || said.contains("the whole report"),
            "{said}"
        );
    }
}
