//! The client against a server that answers a script, one connection per answer.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::agent_api::{API, Wanted, signed_bytes};
use crate::failure::Kind;
use crate::signing::{body_hash, parse_authorization, parse_public, verify};

/// What the server does with a connection after it read the request.
#[derive(Clone)]
enum Reply {
    Json(u16, String),
    Raw(String),
    Drop,
}

#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    authorization: String,
    body: String,
}

struct Agent {
    client: AgentClient,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Agent {
    async fn scripted(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/base", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for reply in replies {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut text = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    text.extend_from_slice(&buffer[..count]);
                    if complete(&text) {
                        break;
                    }
                }
                log.lock().unwrap().push(read(&String::from_utf8(text).unwrap()));
                let out = match reply {
                    Reply::Json(status, body) => http(status, &body, body.len()),
                    Reply::Raw(text) => text,
                    Reply::Drop => continue,
                };
                stream.write_all(out.as_bytes()).await.unwrap();
            }
        });
        let key = AgentKey::generate("vps-1", "ci").unwrap();
        Self { client: AgentClient::new(url.parse().unwrap(), key).unwrap(), seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Asks for a deployment and gives the failure as people see it, with the address taken out.
    async fn failure(&self) -> String {
        let failure = self.client.deployment(&"d-1".parse().unwrap()).await.unwrap_err();
        failure.render().replace(self.client.url().as_str(), "http://agent/base")
    }
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
    body.len() >= length.map_or(0, |length| length.trim().parse().unwrap())
}

fn read(text: &str) -> Seen {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut first = head.lines().next().unwrap().split(' ');
    let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap();
    Seen {
        method: first.next().unwrap().to_owned(),
        path: first.next().unwrap().to_owned(),
        authorization: authorization.to_owned(),
        body: body.to_owned(),
    }
}

fn http(status: u16, body: &str, length: usize) -> String {
    format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn deployment() -> Reply {
    Reply::Json(200, DEPLOYMENT.replace("API", &API.to_string()))
}

const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const DEPLOYMENT: &str = r#"{"api":API,"id":"d-1","app":"badgery","service":"web","newer":[1],
"image":"127.0.0.1:5000/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#;

#[tokio::test]
async fn reads_are_repeated_and_each_try_is_signed_anew() {
    let agent = Agent::scripted(vec![Reply::Json(502, String::new()), Reply::Drop, deployment()]).await;
    let found = agent.client.deployment(&"d-1".parse().unwrap()).await.unwrap();
    assert_eq!(found.id.as_str(), "d-1");
    let seen = agent.seen();
    assert_eq!(seen.len(), 3);
    let public = parse_public(&agent.client.key.public_base64()).unwrap();
    let mut nonces = std::collections::BTreeSet::new();
    for request in seen {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/base/v1/deployments/d-1"));
        let shown = parse_authorization(&request.authorization).unwrap();
        let bytes = signed_bytes("vps-1", "GET", &request.path, shown.unix, &shown.nonce, &body_hash(b""));
        assert!(verify(&public, &bytes, &shown.signature));
        nonces.insert(shown.nonce);
    }
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn what_is_signed_is_what_is_sent() {
    let agent = Agent::scripted(vec![Reply::Json(404, "{}".into())]).await;
    let image = format!("127.0.0.1:5000/web@{DIGEST}").parse().unwrap();
    let _ = agent.client.status(&"badgery".parse().unwrap(), &"web".parse().unwrap(), &Ask::Image(image)).await;
    let request = &agent.seen()[0];
    assert_eq!(request.path, format!("/base/v1/apps/badgery/services/web?image=127.0.0.1:5000/web@{DIGEST}"));
    let shown = parse_authorization(&request.authorization).unwrap();
    let bytes = signed_bytes("vps-1", "GET", &request.path, shown.unix, &shown.nonce, &body_hash(b""));
    assert!(verify(&parse_public(&agent.client.key.public_base64()).unwrap(), &bytes, &shown.signature));
}

#[tokio::test]
async fn a_submission_is_repeated_with_the_same_idempotency_key() {
    let agent = Agent::scripted(vec![Reply::Drop, deployment()]).await;
    let request = DeployRequest {
        before_deploy: None,
        api: API,
        version: None,
        idempotency_key: "key-12345".parse().unwrap(),
        want: Wanted::Rollback,
        expected_revision: Some("r1".into()),
        requested_by: "someone".into(),
        credential: None,
    };
    agent.client.submit(&"badgery".parse().unwrap(), &"web".parse().unwrap(), &request).await.unwrap();
    let seen = agent.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.body.contains("key-12345") && request.method == "POST"));
}

#[tokio::test]
async fn a_poll_is_not_repeated() {
    let agent = Agent::scripted(vec![Reply::Drop, deployment()]).await;
    let failure = agent.client.events(&"d-1".parse().unwrap(), 0, Duration::from_secs(99)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::AgentUnreachable);
    assert_eq!(agent.seen().len(), 1);
    assert_eq!(agent.seen()[0].path, "/base/v1/deployments/d-1/events?after=0&wait=25");
}

#[tokio::test]
async fn a_late_cancellation_is_told_apart() {
    let refusal = r#"{"code":"busy","message":"the switch began"}"#;
    let agent = Agent::scripted(vec![Reply::Json(409, refusal.into()), Reply::Json(409, "<html>".into())]).await;
    let id = "d-1".parse().unwrap();
    assert_eq!(agent.client.cancel(&id).await.unwrap(), Cancellation::TooLate);
    assert_eq!(agent.client.cancel(&id).await.unwrap_err().reason, Reason::AgentUnexpected);
}

#[tokio::test]
async fn a_hanging_agent_is_given_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let client = AgentClient::new(url, AgentKey::generate("a", "k").unwrap()).unwrap();
    let call = Call::get("/v1/x".into(), Duration::from_millis(100));
    let failure = client.once(&call).await.unwrap_err();
    assert!(failure.message.ends_with("it does not answer in time"), "{failure}");
}

#[tokio::test]
async fn an_answer_cut_anywhere_is_no_answer() {
    let Reply::Json(_, whole) = deployment() else { panic!("another reply") };
    let id = "d-1".parse().unwrap();
    for cut in (0..20).map(|part| whole.len() * part / 20) {
        // Where the connection breaks, a read is repeated; a whole answer with half a document is final.
        let broken = Reply::Raw(http(200, &whole[..cut], whole.len()));
        let agent = Agent::scripted(vec![broken; 3]).await;
        assert_eq!(agent.client.deployment(&id).await.unwrap_err().reason, Reason::AgentUnreachable, "{cut}");
        assert_eq!(agent.seen().len(), 3, "{cut}");
        let agent = Agent::scripted(vec![Reply::Json(200, whole[..cut].to_owned()); 3]).await;
        assert_eq!(agent.client.deployment(&id).await.unwrap_err().reason, Reason::AgentUnexpected, "{cut}");
        assert_eq!(agent.seen().len(), 1, "{cut}");
    }
}

#[tokio::test]
async fn members_of_other_types_are_no_answer() {
    let Reply::Json(_, whole) = deployment() else { panic!("another reply") };
    let good: serde_json::Value = serde_json::from_str(&whole).unwrap();
    for member in ["api", "id", "app", "service", "image"] {
        for wrong in ["null", "-1", "1e99", "true", "[]", "{}", "[[[[]]]]", "\"\\u001b[2J\\n::error::x\""] {
            let mut changed = good.clone();
            changed[member] = serde_json::from_str(wrong).unwrap();
            let agent = Agent::scripted(vec![Reply::Json(200, changed.to_string())]).await;
            // Any text is an image: of one that exists on the host only it is the engine's id.
            let Err(failure) = agent.client.deployment(&"d-1".parse().unwrap()).await else {
                assert!(member == "image" && wrong.starts_with('"'), "{member}: {wrong}");
                continue;
            };
            assert_eq!(failure.reason, Reason::AgentUnexpected, "{member}: {wrong}");
            assert!(!failure.render().contains('\u{1b}'), "{member}: {wrong}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_drips_is_given_up_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 X\r\n\r\n").await.unwrap();
        while stream.write_all(b"[").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let client = AgentClient::new(url, AgentKey::generate("a", "k").unwrap()).unwrap();
    let failure = client.once(&Call::get("/v1/x".into(), Duration::from_millis(300))).await.unwrap_err();
    assert!(failure.message.ends_with("it does not answer in time"), "{failure}");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let big = format!("HTTP/1.1 200 X\r\nconnection: close\r\n\r\n{}", "x".repeat(9 * 1024 * 1024));
    let agent = Agent::scripted(vec![Reply::Raw(big)]).await;
    insta::assert_snapshot!(agent.failure().await);
}

#[tokio::test]
async fn failures_name_the_place_and_what_to_check() {
    let busy = r#"{"code":"busy","message":"another deployment of `badgery` is running","holder":{"deployment":"d-9",
        "service":"worker","requested_by":"\u001b[31meve\n::error::x","since":"2026-01-01T00:00:00Z"}}"#;
    let skew = r#"{"code":"clock_skew","message":"the two clocks differ by 400 s","hint":"set the clock"}"#;
    let cut = http(200, r#"{"api":1,"id":"d-"#, 17);
    let mut all = String::new();
    for (name, reply) in [
        ("busy", Reply::Json(409, busy.into())),
        ("clock skew", Reply::Json(401, skew.into())),
        ("changed underneath", Reply::Json(409, r#"{"code":"changed_underneath","message":"plan again"}"#.into())),
        ("unknown code", Reply::Json(403, r#"{"code":"of_tomorrow","message":"no"}"#.into())),
        ("cut", Reply::Raw(cut)),
        ("html", Reply::Json(200, "<!doctype html><title>hi</title>".into())),
        ("other json", Reply::Json(200, r#"{"api":1,"hello":"world"}"#.into())),
        ("no api", Reply::Json(200, r#"{"hello":"world"}"#.into())),
        ("newer api", Reply::Json(200, r#"{"api":2,"id":7}"#.into())),
        ("404", Reply::Json(404, "not found".into())),
        ("403", Reply::Json(403, "forbidden".into())),
        (
            "redirect",
            Reply::Raw(
                "HTTP/1.1 308 X\r\nlocation: https://x/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".into(),
            ),
        ),
        ("tls port", Reply::Raw("\u{15}\u{3}\u{3}\0\u{2}\u{2}\u{46}".into())),
    ] {
        // The last answer stays for each further try.
        let agent = Agent::scripted(vec![reply; 3]).await;
        all.push_str(&format!("--- {name}\n{}", agent.failure().await));
    }
    let agent = Agent::scripted(vec![Reply::Json(503, String::new()); 3]).await;
    all.push_str(&format!("--- 503 thrice\n{}", agent.failure().await));
    insta::assert_snapshot!(all);
}

#[tokio::test]
async fn an_agent_that_is_down_is_told_with_its_address() {
    // Bound, so that nobody else gets it, and not listening.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let key = AgentKey::generate("a", "k").unwrap();
    let down = AgentClient::new(format!("http://127.0.0.1:{port}").parse().unwrap(), key).unwrap();
    let failure = down.deployment(&"d-1".parse().unwrap()).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Preflight);
    assert_eq!(
        failure.message,
        format!("the agent at `http://127.0.0.1:{port}` is not reached: nothing accepts the connection")
    );
}

#[tokio::test]
async fn tls_to_a_plain_port_says_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let url = format!("https://127.0.0.1:{port}").parse().unwrap();
    let client = AgentClient::new(url, AgentKey::generate("a", "k").unwrap()).unwrap();
    let failure = client.deployment(&"d-1".parse().unwrap()).await.unwrap_err();
    assert!(failure.message.ends_with("one side speaks TLS and the other does not"), "{}", failure.render());
}
