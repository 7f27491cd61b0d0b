//! One connection: request, work, answer, until either side has had enough.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use super::connections::Entry;
use super::request::Request;
use super::response::{Response, common_headers};
use super::routes;
use super::settings::Settings;
use super::stop::Stop;
use super::stream::Streamed;
use super::wire::{Wire, WireError};

/// Longer than the idle timeout of any common proxy (Traefik: 90 s), so that it is the proxy that closes
/// an idle connection and never sends a request into one that has just been closed here.
const IDLE: Duration = Duration::from_secs(120);

/// A request has to arrive, and its answer to be taken, in this time per read or write.
const TRANSFER: Duration = Duration::from_secs(30);

/// What all connections have in common.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) settings: Settings,
    pub(super) hostname: String,
    /// When it began to listen.
    pub(super) since: Instant,
}

/// Serves one connection to its end.
pub(super) fn converse(
    context: &Context,
    stop: &Stop,
    stream: &TcpStream,
    peer: SocketAddr,
    entry: &Entry,
) -> io::Result<()> {
    let settings = &context.settings;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(TRANSFER))?;
    let mut wire = Wire::new(stream);
    loop {
        stream.set_read_timeout(Some(IDLE))?;
        if !matches!(wire.fill(), Ok(true)) {
            return Ok(());
        }
        entry.set_busy(true);
        stream.set_read_timeout(Some(TRANSFER))?;
        let request = match Request::read(&mut wire, stream) {
            Ok(request) => request,
            Err(WireError::Malformed(detail)) => {
                let refusal = Response::text(400, format!("{detail}\n"));
                return (&mut &*stream).write_all(&refusal.bytes(&settings.version, None, true, true));
            }
            Err(_) => return Ok(()),
        };
        if request.path() != "/healthz" {
            thread::sleep(request.number("work").map_or(settings.work, Duration::from_millis));
        }
        let broken = settings.is_broken(&request, context.since.elapsed());
        if let Some(streamed) = Streamed::of(&request).filter(|_| !broken) {
            // A stream's connection is not used again: whether the app is to end is not known at its head.
            let headers = common_headers(&settings.version, request.body_sum.as_deref(), true);
            return streamed.write(&mut &*stream, &headers, stop);
        }
        let answer = match broken {
            true => Response::text(500, format!("broken {}\n", settings.version)),
            false => routes::answer(&request, settings, peer, &context.hostname),
        };
        // Asked only now: a wish to end that came during the work must reach this client too.
        let close = request.close || stop.is_set();
        let sum = request.body_sum.as_deref();
        let bytes = answer.bytes(&settings.version, sum, close, request.method != "HEAD");
        (&mut &*stream).write_all(&bytes)?;
        if close || !entry.set_busy(false) {
            return Ok(());
        }
    }
}
