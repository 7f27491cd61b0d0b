//! A registry's name at which something else answers: bounded in memory and time, and told with the registry's name.

use std::path::Path;
use std::time::Duration;

use super::scripted::{Asked, Piece, Scripted, chunked, head, whole};
use super::watched::Watched;
use crate::action::user::{PROGRAM, User, push};

/// Most memory in MiB. What is dropped at 32 more than before may be twice that while it is looked at.
const MEMORY: u64 = 160;
/// The registry's own time is 30 s.
const TIME: Duration = Duration::from_secs(50);
const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

struct Scene {
    user: User,
}

/// A registry that wants a token, and what it gives as one.
fn with_token(token: impl Fn() -> Vec<Piece> + Send + Sync) -> impl Fn(&Asked) -> Vec<Piece> + Send + Sync {
    move |asked| {
        if asked.line.contains("/token") {
            return token();
        }
        let realm = format!("WWW-Authenticate: Bearer realm=\"http://{}/token\",service=\"x\"\r\n", asked.here);
        whole("401 Unauthorized", &realm, "")
    }
}

/// One that wants none, and what it gives as a manifest.
fn with_manifest(manifest: impl Fn() -> Vec<Piece> + Send + Sync) -> impl Fn(&Asked) -> Vec<Piece> + Send + Sync {
    move |asked| if asked.line.contains("/manifests/") { manifest() } else { whole("200 OK", "", "{}") }
}

impl Scene {
    /// Deploys a tag of a registry that answers so; nothing comes of it.
    #[track_caller]
    fn refused(&self, what: &str, sentence: &str, answer: impl Fn(&Asked) -> Vec<Piece> + Send + Sync + 'static) {
        let registry = Scripted::new(answer);
        let image = format!("{}/hello:v2", registry.address);
        let mut job = self.user.job("push", &push(SHA), SHA);
        let (mut command, files) =
            job.prepare(Path::new(PROGRAM), &self.user.inputs(&[("image", &image)])).expect("a step");
        let watched = Watched::run(&mut command, TIME * 2);
        watched.assert_within(what, 20, MEMORY, TIME);
        let said = watched.said();
        assert!(said.contains(&format!("the registry `{}` {sentence}", registry.address)), "{what}: {said}");
        for line in said.lines().filter(|line| !line.starts_with("::add-mask::")) {
            assert!(!line.contains(char::is_control) && line.chars().count() < 3_000, "{what}: {line:?}");
        }
        assert_eq!(files.outputs().expect("outputs")["reason-code"], "registry_failed", "{what}: {said}");
        self.user.stage.assert_serves("v1");
    }
}

#[test]
fn answers_without_an_end_are_cut() {
    let scene = Scene { user: User::new() };
    let larger = "sends more than an answer can be";
    let endless = || vec![head("200 OK"), Piece::Forever(b"{\"token\":\"x\",".to_vec())];
    scene.refused("a token", larger, with_token(endless));
    let refusal = || vec![head("403 Forbidden"), Piece::Forever(b"x".to_vec())];
    scene.refused("a refusal of a token", larger, with_token(refusal));
    scene.refused("a manifest", larger, with_manifest(endless));
    let chunks = || vec![chunked(), Piece::Forever(format!("4000\r\n{}\r\n", "[".repeat(0x4000)).into_bytes())];
    scene.refused("a manifest in chunks", larger, with_manifest(chunks));
    let drops = || vec![head("200 OK"), Piece::Drops(b"[".to_vec())];
    scene.refused("a manifest, a drop a second", "gives no answer within 30 s", with_manifest(drops));
}

#[test]
fn what_no_registry_says_is_told_as_that() {
    let scene = Scene { user: User::new() };
    let unexpected = "does not answer as expected";
    let page = "<html><title>\u{1b}[31m::error::pwned ##[error]pwned</title></html>";
    scene.refused("a page as a token", unexpected, with_token(move || whole("200 OK", "", page)));
    for token in ["", "{", "{}", "[]", "{\"token\":5}", "{\"token\":\"x", "null"] {
        scene.refused(&format!("the token {token:?}"), unexpected, with_token(move || whole("200 OK", "", token)));
    }
    scene.refused("a page as a refusal", unexpected, with_manifest(move || whole("500 No", "", page)));
    for digest in ["sha256:12", "::error::pwned", "../../x", "sha512:aa"] {
        let header = format!("Docker-Content-Digest: {digest}\r\n");
        let sentence = if digest == "sha256:12" { "gives no usable digest" } else { "" };
        scene.refused(digest, sentence, with_manifest(move || whole("200 OK", &header, "")));
    }
    scene.refused("no HTTP", unexpected, |_| vec![Piece::Bytes(b"SSH-2.0-OpenSSH_9.7\r\n".to_vec())]);
}
