//! HTTP/1.1 with bounds on everything that a stranger could make endless.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::auth::{Authenticator, Caller, Signed};
use super::hush::{Hush, Line};
use super::routes::{Answer, Routes, refused};
use super::seats::{Seat, Seats};
use crate::agent::app::refusal;
use crate::agent_api::{ApiError, MAX_BODY};
use crate::domain::Reason;

/// Longest wait for a request's head; also for the next one of a connection.
const HEAD: Duration = Duration::from_secs(5);
/// Longest wait for its body.
const BODY: Duration = Duration::from_secs(10);
/// Longest head in bytes: a request of ours has less than 1 KiB.
const MAX_HEAD: usize = 16 * 1024;
/// Requests of callers with a key that are answered at once; more wait.
const ANSWERED: usize = 256;
/// Time between two tries to bind an address that is not there yet (a bridge that the engine has still to make).
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// What stands behind the socket.
#[derive(Debug)]
pub struct Door {
    authenticator: Authenticator,
    routes: Routes,
    base_path: String,
    answered: Semaphore,
    hush: Hush,
}

impl Door {
    /// Puts it together. `base_path` is `""` or `/something`.
    #[must_use]
    pub fn new(authenticator: Authenticator, routes: Routes, base_path: &str) -> Self {
        let (answered, hush) = (Semaphore::new(ANSWERED), Hush::default());
        Self { authenticator, routes, base_path: base_path.to_owned(), answered, hush }
    }

    async fn answer(&self, request: Request<Incoming>, seat: &Seat) -> Answer {
        let (method, checked) = (request.method().clone(), self.check(request).await);
        let Checked { caller, target, body } = match checked {
            Ok(checked) => checked,
            Err((status, error)) => {
                let line = self.hush.line(Instant::now());
                if line != Line::Dropped {
                    tracing::warn!(%method, code = %error.code, message = %error.message, "request refused");
                }
                if line == Line::Last {
                    tracing::warn!("more refused requests are not logged within this minute");
                }
                let (usual, body) = refused(&error);
                return (status.unwrap_or(usual), body);
            }
        };
        seat.is_known();
        let _permit = self.answered.acquire().await;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let answer = match path.strip_prefix(&self.base_path) {
            Some(path) => self.routes.answer(&caller, method.as_str(), path, query, &body).await,
            None => {
                let message = format!("the path does not begin with {}", self.base_path);
                let hint = format!("end the agent's URL with {}", self.base_path);
                (StatusCode::NOT_FOUND, refused(&refusal(Reason::BadRequest, message, hint)).1)
            }
        };
        seat.waits();
        answer
    }

    /// Whose request it is. Nothing is looked at before that is known but what bounds it.
    async fn check(&self, request: Request<Incoming>) -> Result<Checked, Refused> {
        let method = request.method().as_str().to_owned();
        let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
        let header = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = request.into_body();
        let stranger = |status, message: String| {
            (Some(status), refusal(Reason::BadRequest, message, "this is not a request of deploy-action"))
        };
        let too_large = || stranger(StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MAX_BODY} bytes"));
        match body.size_hint().upper() {
            // What two lengths are said of, a proxy and we could read differently.
            None => {
                let message = "the request does not say in advance how long its body is".to_owned();
                return Err(stranger(StatusCode::LENGTH_REQUIRED, message));
            }
            Some(length) if length > MAX_BODY as u64 => return Err(too_large()),
            Some(_) => {}
        }
        // Without a signature there is no need for the body.
        self.authenticator.presented(header.as_deref()).map_err(|error| (None, error))?;
        let body = match tokio::time::timeout(BODY, collect(body)).await {
            Ok(Some(body)) => body,
            Ok(None) | Err(_) => {
                let hint = "check the connection between caller and agent";
                let error = refusal(Reason::BadRequest, "the body did not arrive", hint);
                return Err((Some(StatusCode::REQUEST_TIMEOUT), error));
            }
        };
        let signed = Signed { method: &method, path: &target, body: &body, header: header.as_deref() };
        let caller = self.authenticator.check(signed).map_err(|error| (None, error))?;
        Ok(Checked { caller, target, body })
    }
}

/// A request of a caller with a key.
struct Checked {
    caller: Caller,
    /// Path and query.
    target: String,
    body: Vec<u8>,
}

/// Why a request is refused; with a status where it is not the reason's own.
type Refused = (Option<StatusCode>, ApiError);

/// The body, whose length is known to be bounded; `None` where it breaks off. Copied piece by piece: a piece keeps the
/// whole buffer that it was read into, however small it is.
async fn collect(mut body: Incoming) -> Option<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            all.extend_from_slice(&data);
        }
    }
    Some(all)
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
    let seats = Arc::new(Seats::default());
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            // Out of descriptors or a connection that ended in the queue: neither is a reason to stop.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (door, seat) = (door.clone(), seats.take());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(|request| {
                let (door, seat) = (&door, &seat);
                async move { Ok::<_, Infallible>(response(door.answer(request, seat).await)) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD);
            tokio::select! {
                served = http.serve_connection(TokioIo::new(stream), service) => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection ended");
                    }
                }
                () = seat.lost() => tracing::debug!("a connection made room for newer ones"),
            }
        });
    }
}

fn response((status, body): Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
