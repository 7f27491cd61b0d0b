//! The one unsigned door of the agent, off unless `metrics_listen` says otherwise: GET of `/metrics`, read-only, bounded.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::prometheus_text::CONTENT_TYPE as TEXT;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::Metrics;

/// Longest wait for a request's head.
const HEAD: Duration = Duration::from_secs(5);
/// Longest life of a connection, one scrape and its answer.
const CONNECTION: Duration = Duration::from_secs(30);
/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 8;
/// Time between two tries to bind an address that is not there yet, and after a connection that could not be taken.
const AGAIN: Duration = Duration::from_secs(1);

/// Binds and serves until dropped. An address that is not there yet is waited for.
///
/// # Errors
/// The address is taken or not ours.
pub async fn serve(listen: SocketAddr, metrics: Arc<Metrics>) -> std::io::Result<()> {
    let listener = loop {
        match TcpListener::bind(listen).await {
            Ok(listener) => break listener,
            Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => tokio::time::sleep(AGAIN).await,
            Err(error) => return Err(error),
        }
    };
    tracing::info!(address = %listener.local_addr()?, "metrics are served");
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return Ok(()) };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let metrics = metrics.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let metrics = metrics.clone();
                async move { Ok::<_, Infallible>(answer(&request, &metrics).await) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD).keep_alive(false).max_buf_size(16 * 1024);
            // Whatever a scraper does to its connection, the next one gets another.
            let _ = tokio::time::timeout(CONNECTION, http.serve_connection(TokioIo::new(stream), service)).await;
            drop(slot);
        });
    }
}

async fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let text = |status, body: String| {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
        response
    };
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, "# only /metrics is here\n".to_owned());
    }
    if request.method() != Method::GET {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "# only GET is answered\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    text(StatusCode::OK, metrics.text().await)
}
