//! Requests to the engine that the general client cannot make: a build with a session of our own.

use std::convert::Infallible;
use std::io;

use bollard::models::BuildInfo;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use futures_util::{Stream, StreamExt};

use crate::clients::docker::DockerError;

/// What is sent with a request.
type Body = UnsyncBoxBody<Bytes, io::Error>;
/// Longest message of a build, and longest refusal. BuildKit cuts its own at less.
const MESSAGE: usize = 64 << 20;

trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// Opens connections to one engine, one for each request. Dropping it closes them.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    host: &'a str,
    connections: JoinSet<()>,
}

impl<'a> Wire<'a> {
    /// To this `unix://…` or `tcp://…`; connects at the first request.
    pub(super) fn new(host: &'a str) -> Self {
        Self { host, connections: JoinSet::new() }
    }

    /// The address it talks to.
    pub(super) fn host(&self) -> &str {
        self.host
    }

    /// Turns a connection around: afterwards the engine asks, and this side answers.
    pub(super) async fn session(&mut self, id: &str, methods: &[&str]) -> Result<Upgraded, DockerError> {
        let mut request = Request::post("/session")
            .header(HOST, "docker")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "h2c")
            .header("X-Docker-Expose-Session-Uuid", id);
        for method in methods {
            request = request.header("X-Docker-Expose-Session-Grpc-Method", *method);
        }
        let empty = Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync();
        let answer = self.send(request.body(empty).map_err(|error| self.unavailable(&error))?).await?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {
                hyper::upgrade::on(answer).await.map_err(|error| self.unavailable(&error))
            }
            status => Err(DockerError::Refused {
                status: status.as_u16(),
                message: format!("it opens no build session (status {status})"),
            }),
        }
    }

    /// Asks for a build of this context.
    pub(super) async fn build<S>(&mut self, query: &[(&str, String)], context: S) -> Result<Messages, DockerError>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
    {
        // Only for its query, which it escapes.
        let url = reqwest::Url::parse_with_params("http://docker/build", query);
        let url = url.map_err(|error| self.unavailable(&error))?;
        let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let body = StreamBody::new(context.map(|chunk| chunk.map(Frame::data))).boxed_unsync();
        let request = Request::post(target).header(HOST, "docker").header(CONTENT_TYPE, "application/x-tar");
        let answer = self.send(request.body(body).map_err(|error| self.unavailable(&error))?).await?;
        let status = answer.status();
        let mut messages = Messages { host: self.host.to_owned(), body: answer.into_body(), buffer: Vec::new() };
        if status.is_success() {
            return Ok(messages);
        }
        let text = messages.line().await?.unwrap_or_default();
        let told: Option<bollard::models::ErrorResponse> = serde_json::from_slice(&text).ok();
        let message = told.map_or_else(|| String::from_utf8_lossy(&text).into_owned(), |told| told.message);
        Err(DockerError::Refused { status: status.as_u16(), message })
    }

    async fn send(&mut self, request: Request<Body>) -> Result<Response<Incoming>, DockerError> {
        let transport = self.connect().await.map_err(|error| self.unavailable(&error))?;
        let handshake = http1::handshake(TokioIo::new(transport)).await;
        let (mut sender, connection) = handshake.map_err(|error| self.unavailable(&error))?;
        // A connection that breaks is told by the request that is on it.
        self.connections.spawn(async move { drop(connection.with_upgrades().await) });
        sender.send_request(request).await.map_err(|error| self.unavailable(&error))
    }

    async fn connect(&self) -> io::Result<Box<dyn Transport>> {
        if let Some(path) = self.host.strip_prefix("unix://") {
            return Ok(Box::new(UnixStream::connect(path).await?));
        }
        let address = self.host.split_once("://").map_or(self.host, |(_, address)| address);
        Ok(Box::new(TcpStream::connect(address.trim_end_matches('/')).await?))
    }

    fn unavailable(&self, error: &(dyn std::error::Error + 'static)) -> DockerError {
        DockerError::unavailable(self.host, error)
    }
}

/// What the engine says during a build: a JSON value a line.
#[derive(Debug)]
pub(super) struct Messages {
    host: String,
    body: Incoming,
    buffer: Vec<u8>,
}

impl Messages {
    /// The next one; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<BuildInfo>, DockerError> {
        let line = loop {
            match self.line().await? {
                None => return Ok(None),
                Some(line) if line.trim_ascii().is_empty() => {}
                Some(line) => break line,
            }
        };
        serde_json::from_slice(&line).map(Some).map_err(|error| DockerError::unavailable(&self.host, &error))
    }

    async fn line(&mut self) -> Result<Option<Vec<u8>>, DockerError> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.buffer.drain(..=searched + end).collect()));
            }
            searched = self.buffer.len();
            if searched > MESSAGE {
                let why = format!("a message has more than {} MiB", MESSAGE >> 20);
                return Err(DockerError::Unavailable { host: self.host.clone(), why });
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(DockerError::unavailable(&self.host, &error)),
                None if self.buffer.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.buffer))),
            }
        }
    }
}
