//! A door to a registry that misbehaves as it is told: everything else passes through.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Requests of this method get this answer, so many times.
    Answer { method: &'static str, status: &'static str, times: u32 },
    /// The first write to a path gets 429; whoever asks for news is then told once more to wait, as an overloaded
    /// registry does.
    Busy { seconds: u32, path: &'static str },
    /// Whoever writes gets the reference registry's answer when its disk is full, as it was recorded.
    NoSpace,
    /// Requests of this method are refused for want of rights, in the words of the specification.
    Denied { method: &'static str },
    /// As two runs that push one tag at the same time into a repository of Amazon ECR with immutable tags: the tag is not
    /// there until somebody writes it, and is then told to be another's.
    Taken,
    /// Whoever asks for a manifest is told another digest.
    OtherDigest,
    /// The first upload of a layer breaks off after so many bytes.
    Cut { after: u64 },
}

const NO_SPACE: &str = r#"{"errors":[{"code":"UNKNOWN","message":"unknown error","detail":{"DriverName":"filesystem","Enclosed":{"Op":"write","Path":"/var/lib/registry/docker/registry/v2/repositories/x/_uploads/2110cd4e/startedat","Err":28}}}]}
"#;
const NO_MANIFEST: &str = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"Requested image not found"}]}
"#;
/// The sentence of Amazon ECR's `ImageTagAlreadyExistsException`.
const TAKEN: &str = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag 'x' already exists in the 'shop/web' repository and cannot be overwritten because the tag is immutable."}]}
"#;
const DENIED: &str = r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied","detail":[{"Type":"repository","Name":"shop/web","Action":"push"}]}]}
"#;

/// The door. Its threads end with the test's process.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) address: SocketAddr,
    /// How many faults happened.
    met: Arc<AtomicU32>,
}

impl Faulty {
    pub(crate) fn before(registry: SocketAddr, fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let met = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&met);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A side that hangs up ends the connection, which is all there is to do about it.
                thread::spawn(move || drop(serve(client, registry, fault, &counter)));
            }
        });
        Self { address, met }
    }

    pub(crate) fn met(&self) -> u32 {
        self.met.load(Ordering::SeqCst)
    }
}

/// One connection for one request: the header that says so is put in, so that each request is looked at.
fn serve(mut client: TcpStream, registry: SocketAddr, fault: Fault, met: &AtomicU32) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        // The engine tries TLS first; its greeting is no text and is hung up on.
        if head.is_empty() && !byte[0].is_ascii_uppercase() {
            return Ok(());
        }
        head.push(byte[0]);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    match fault {
        Fault::Answer { method, status, times } if text.starts_with(method) && met.load(Ordering::SeqCst) < times => {
            met.fetch_add(1, Ordering::SeqCst);
            let answer =
                format!("HTTP/1.1 {status}\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            client.write_all(answer.as_bytes())?;
            return client.shutdown(Shutdown::Both);
        }
        Fault::OtherDigest if text.starts_with("HEAD") && text.contains("/manifests/") => {
            met.fetch_add(1, Ordering::SeqCst);
            let other = "0".repeat(64);
            let answer =
                format!("HTTP/1.1 200 OK\r\nDocker-Content-Digest: sha256:{other}\r\nConnection: close\r\n\r\n");
            return client.write_all(answer.as_bytes());
        }
        _ => {}
    }
    let busy = "429 Too Many Requests";
    if let Fault::Busy { seconds, path } = fault
        && match met.load(Ordering::SeqCst) {
            0 => text.starts_with("PUT") && text.contains(path),
            1 => text.starts_with("GET /v2/ "),
            _ => false,
        }
    {
        met.fetch_add(1, Ordering::SeqCst);
        let answer =
            format!("HTTP/1.1 {busy}\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        client.write_all(answer.as_bytes())?;
        return client.shutdown(Shutdown::Both);
    }
    let told = match fault {
        Fault::NoSpace if ["POST", "PUT", "PATCH"].iter().any(|method| text.starts_with(method)) => {
            Some(("500 Internal Server Error", NO_SPACE))
        }
        Fault::Denied { method } if text.starts_with(method) => Some(("403 Forbidden", DENIED)),
        Fault::Taken if text.contains("/manifests/") && text.starts_with("PUT") => Some(("400 Bad Request", TAKEN)),
        Fault::Taken if text.contains("/manifests/") && met.load(Ordering::SeqCst) == 0 => {
            return refuse(&mut client, "404 Not Found", NO_MANIFEST);
        }
        _ => None,
    };
    if let Some((status, body)) = told {
        met.fetch_add(1, Ordering::SeqCst);
        return refuse(&mut client, status, body);
    }
    let mut upstream = TcpStream::connect(registry)?;
    let uploads = ["PATCH", "PUT"].iter().any(|method| text.starts_with(method)) && text.contains("/blobs/uploads/");
    if let Fault::Cut { after } = fault
        && uploads
        && met.fetch_add(1, Ordering::SeqCst) == 0
    {
        upstream.write_all(&head)?;
        std::io::copy(&mut client.try_clone()?.take(after), &mut upstream)?;
        upstream.shutdown(Shutdown::Both)?;
        return client.shutdown(Shutdown::Both);
    }
    upstream.write_all(text.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    let (mut from, mut to) = (client.try_clone()?, upstream.try_clone()?);
    thread::spawn(move || std::io::copy(&mut from, &mut to));
    std::io::copy(&mut upstream, &mut client)?;
    client.shutdown(Shutdown::Both)
}

fn refuse(client: &mut TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let length = body.len();
    let kind = "Content-Type: application/json; charset=utf-8\r\nDocker-Distribution-Api-Version: registry/2.0";
    let answer = format!("HTTP/1.1 {status}\r\n{kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    client.write_all(answer.as_bytes())?;
    client.shutdown(Shutdown::Both)
}

/// An engine that says its version and nothing else; gives its address.
pub(crate) fn old_engine() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let _ = client.read(&mut head);
            let version = r#"{"Version":"19.03.15","ApiVersion":"1.40","Os":"linux","Arch":"amd64"}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(client, "{head}\r\nContent-Length: {}\r\n\r\n{version}", version.len());
        }
    });
    address
}
