//! A token server, as most public registries have one: it trades a login for a token, which the registry believes.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::error::{BedError, Result};
use super::machine::Machine;
use super::run::run;
use crate::app::wire::Wire;

/// Who gives tokens out, and for what, in the words of the registry's configuration.
pub(super) const NAME: &str = "bed";

/// The server; it ends with the process. Its key and its certificate are also good for a registry with TLS.
#[derive(Debug, Clone)]
pub struct TokenServer {
    address: SocketAddr,
    pub(super) key: PathBuf,
    pub(super) certificate: PathBuf,
    machine: Machine,
    /// `Basic …` of the one who may do everything.
    login: String,
    given: Arc<AtomicU32>,
}

impl TokenServer {
    /// One with a single user. Whoever has no login gets a token that allows nothing.
    ///
    /// # Errors
    /// `openssl` makes no key, or there is no free port.
    pub fn start(machine: &Machine, dir: &Path, user: &str, password: &str) -> Result<Self> {
        let (key, certificate) = (dir.join("token.key"), dir.join("token.crt"));
        let mut openssl = machine.command("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=bed"]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
        run(&mut openssl, Duration::from_secs(60))?.ok("making a key")?;
        let failed = |error| BedError::new(format!("bed: the token server: {error}"));
        let listener = TcpListener::bind("127.0.0.1:0").map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let login = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let server = Self { address, key, certificate, machine: machine.clone(), login, given: Arc::default() };
        let serving = server.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = serving.clone();
                thread::spawn(move || server.serve(&client));
            }
        });
        Ok(server)
    }

    /// Where the registry sends whoever has no token.
    pub(super) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// How many tokens it gave to the one with the login.
    pub fn given(&self) -> u32 {
        self.given.load(Ordering::SeqCst)
    }

    fn serve(&self, mut client: &TcpStream) {
        let Ok(head) = Wire::new(client).head() else { return };
        let (status, body) = match head.start.split_once(' ') {
            // The newer way with POST is not there, as with many registries.
            Some(("GET", rest)) => match head.get("authorization") {
                None => ("200 OK", self.token(rest, false)),
                Some(login) if *login == self.login => ("200 OK", self.token(rest, true)),
                Some(_) => ("401 Unauthorized", Ok("{}".to_owned())),
            },
            _ => ("404 Not Found", Ok("{}".to_owned())),
        };
        let (status, body) = body.map_or_else(|error| ("500 Error", error.to_string()), |body| (status, body));
        let length = body.len();
        let kind = "Content-Type: application/json\r\nConnection: close";
        // Whoever has hung up needs no answer.
        let _ = write!(client, "HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}");
    }

    /// A token for the scopes of a request, or for nothing.
    fn token(&self, request: &str, allowed: bool) -> Result<String> {
        let query = request.split(' ').next().and_then(|path| path.split_once('?')).map_or("", |(_, query)| query);
        let scopes = query.split('&').filter_map(|pair| pair.strip_prefix("scope=")).filter(|_| allowed);
        let access = scopes.filter_map(|scope| {
            let scope = scope.replace("%3A", ":").replace("%2F", "/").replace("%2C", ",");
            let (kind, rest) = scope.split_once(':')?;
            let (name, actions) = rest.rsplit_once(':')?;
            Some(json!({"type": kind, "name": name, "actions": Vec::from_iter(actions.split(','))}))
        });
        let access = Vec::from_iter(access);
        let pem = fs::read_to_string(&self.certificate).map_err(|error| BedError::file(&self.certificate, &error))?;
        let certificate: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let header = json!({"alg": "RS256", "typ": "JWT", "x5c": [certificate]});
        let claims = json!({
            "iss": NAME, "aud": NAME, "sub": "user", "jti": "1",
            "iat": now - 10, "nbf": now - 10, "exp": now + 300, "access": access,
        });
        let encoded = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = encoded.join(".");
        let signature = self.sign(signed.as_bytes())?;
        self.given.fetch_add(u32::from(allowed), Ordering::SeqCst);
        Ok(json!({"token": format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)), "expires_in": 300}).to_string())
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let failed = |error| BedError::new(format!("bed: openssl dgst: {error}"));
        let mut openssl = self.machine.command("openssl");
        openssl.args(["dgst", "-sha256", "-sign"]).arg(&self.key).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = openssl.spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(text).map_err(failed)?;
        }
        Ok(child.wait_with_output().map_err(failed)?.stdout)
    }
}
