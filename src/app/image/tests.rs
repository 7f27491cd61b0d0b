use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::*;

/// An engine of which nothing is known but its version.
fn engine_of(arch: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).expect("reads") > 0);
        let body = format!(r#"{{"Version":"27.0.1","ApiVersion":"1.46","Os":"linux","Arch":"{arch}"}}"#);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length:";
        write!(stream, "{head} {}\r\n\r\n{body}", body.len()).expect("writes");
    });
    format!("tcp://{address}")
}

async fn spec_at(host: &str) -> BuildSpec {
    let env = Env::from(|name| (name == "DOCKER_HOST").then(|| host.to_owned()));
    let vars = [
        ("GITHUB_REPOSITORY", "acme/hello"),
        ("GITHUB_RUN_ID", "1"),
        ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
        ("GITHUB_API_URL", "http://127.0.0.1"),
        ("GITHUB_SERVER_URL", "http://127.0.0.1"),
        ("GITHUB_WORKSPACE", "/workspace"),
        ("GITHUB_EVENT_NAME", "push"),
        ("INPUT_CONTEXT", "./web"),
    ];
    let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let inputs = Inputs::read(&vars).expect("inputs");
    let context = GitHubContext::read(&vars).expect("a context");
    spec(&inputs, &context, &env).await.expect("a spec")
}

#[tokio::test]
async fn a_tag_is_of_the_platform_of_the_engine() {
    let (arm, amd) = (spec_at(&engine_of("arm64")).await, spec_at(&engine_of("amd64")).await);
    assert_eq!((arm.platform.as_str(), amd.platform.as_str()), ("linux/arm64", "linux/amd64"));
    assert_ne!(recipe_hash(&arm), recipe_hash(&amd));
    // A plan needs no engine.
    let none = spec_at("unix:///nowhere/docker.sock").await;
    assert_eq!(recipe_hash(&none), recipe_hash(&amd));
    assert_eq!(none.context, std::path::Path::new("web"));
}
