//! HTTP/1.1 with bounds on everything that a stranger could make endless.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::auth::{Authenticator, Signed};
use super::routes::{Answer, Routes, refused};
use crate::agent::app::{App, refusal};
use crate::agent_api::MAX_BODY;
use crate::domain::Reason;

/// Longest wait for a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// Longest wait for its body.
const BODY: Duration = Duration::from_secs(10);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// Time between two tries to bind an address that is not there yet (a bridge that the engine has still to make).
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// What stands behind the socket.
#[derive(Debug)]
pub struct Door {
    authenticator: Authenticator,
    routes: Routes,
    base_path: String,
}

impl Door {
    /// Puts it together. `base_path` is `""` or `/something`.
    #[must_use]
    pub fn new(authenticator: Authenticator, apps: Vec<Arc<App>>, base_path: &str) -> Self {
        Self { authenticator, routes: Routes(apps), base_path: base_path.to_owned() }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let method = request.method().as_str().to_owned();
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = Limited::new(request.into_body(), MAX_BODY).collect();
        let body = match tokio::time::timeout(BODY, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                let error = refusal(
                    Reason::BadRequest,
                    format!("the body is larger than {MAX_BODY} bytes"),
                    "this is not a request of deploy-action",
                );
                return (StatusCode::PAYLOAD_TOO_LARGE, refused(&error).1);
            }
            Ok(Err(_)) | Err(_) => {
                let error = refusal(
                    Reason::BadRequest,
                    "the body did not arrive",
                    "check the connection between caller and agent",
                );
                return (StatusCode::REQUEST_TIMEOUT, refused(&error).1);
            }
        };
        let signed = Signed { method: &method, path: &target, body: &body, header: header.as_deref() };
        let caller = match self.authenticator.check(signed) {
            Ok(caller) => caller,
            Err(error) => {
                tracing::warn!(%method, code = %error.code, message = %error.message, "request refused");
                return refused(&error);
            }
        };
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        match path.strip_prefix(&self.base_path) {
            Some(path) => self.routes.answer(&caller, &method, path, query, &body).await,
            None => {
                let hint = format!("end the agent's URL with {}", self.base_path);
                (
                    StatusCode::NOT_FOUND,
                    refused(&refusal(
                        Reason::BadRequest,
                        format!("the path does not begin with {}", self.base_path),
                        hint,
                    ))
                    .1,
                )
            }
        }
    }
}

/// Binds and serves until dropped. An address that is not there yet is waited for.
///
/// # Errors
/// The address is taken or not ours.
pub async fn serve(listen: SocketAddr, door: Arc<Door>, bound: impl FnOnce(SocketAddr)) -> std::io::Result<()> {
    let listener = loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => break listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
                tracing::warn!(%listen, "the address is not there yet; trying again");
                tokio::time::sleep(BIND_AGAIN).await;
            }
            Err(error) => return Err(error),
        }
    };
    bound(listener.local_addr()?);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors or a connection that ended in the queue: neither is a reason to stop.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let door = door.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let door = door.clone();
                async move { Ok::<_, Infallible>(response(door.answer(request).await)) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 * 1024);
            if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(slot);
        });
    }
}

fn response((status, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
