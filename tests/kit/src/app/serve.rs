//! The listener: a thread per connection, and the graceful end.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::conn::{Context, converse};
use super::connections::Connections;
use super::response::Response;
use super::settings::Settings;
use super::stop::Stop;
use super::{exit_later, log};

/// From SIGTERM to the exit, at most. Docker's `stop` kills after 10 s.
const GRACE: Duration = Duration::from_millis(4_800);

/// Idle connections stay open so long after SIGTERM: a request that is on its way already is answered,
/// with `Connection: close`, instead of being met by a reset.
const LINGER: Duration = Duration::from_millis(100);

/// Listens, serves until asked to end, and finishes what is in flight.
pub(super) fn serve(settings: Settings, stop: Arc<Stop>) -> ExitCode {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, settings.port))
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match bound {
        Ok(bound) => bound,
        Err(error) => {
            log(&format!("cannot listen on port {}: {error}", settings.port));
            return ExitCode::FAILURE;
        }
    };
    log(&format!("listening on {address} version={}", settings.version));
    exit_later(&settings, &stop);
    let since = Instant::now();

    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let context = Arc::new(Context { settings, hostname: hostname.trim().to_owned(), since });
    let connections = Arc::new(Connections::default());
    let accepting = {
        let (stop, connections) = (Arc::clone(&stop), Arc::clone(&connections));
        thread::spawn(move || accept_until_stopped(&listener, &context, &stop, &connections))
    };

    stop.wait();
    let deadline = Instant::now() + GRACE;
    // `accept` cannot be interrupted without unsafe code; a connection to ourselves wakes it.
    let wake = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
    if TcpStream::connect_timeout(&wake, LINGER).is_ok() {
        let _ = accepting.join();
    }
    thread::sleep(LINGER);
    connections.close_idle();
    let cut = connections.wait_empty(deadline.saturating_duration_since(Instant::now()));
    log(&format!("stopped, {cut} connections cut"));
    ExitCode::SUCCESS
}

/// Accepts until the app is to end, then what had queued up by then, so that closing the listener
/// resets as few clients as can be.
fn accept_until_stopped(
    listener: &TcpListener,
    context: &Arc<Context>,
    stop: &Arc<Stop>,
    connections: &Arc<Connections>,
) {
    loop {
        match listener.accept() {
            Ok((stream, peer)) => admit(stream, peer, context, stop, connections),
            // Asked to end: the queue is empty, or cannot be emptied.
            Err(_) if stop.is_set() => return,
            // Out of descriptors, most likely: they come back when connections end.
            Err(error) if error.kind() != ErrorKind::ConnectionAborted => {
                log(&format!("accept: {error}"));
                thread::sleep(Duration::from_millis(20));
            }
            Err(_) => {}
        }
        if stop.is_set() && listener.set_nonblocking(true).is_err() {
            return;
        }
    }
}

fn admit(
    stream: TcpStream,
    peer: SocketAddr,
    context: &Arc<Context>,
    stop: &Arc<Stop>,
    connections: &Arc<Connections>,
) {
    let stream = Arc::new(stream);
    let Some(entry) = connections.enter(&stream) else {
        let _ = refuse(&stream, &context.settings.version);
        return;
    };
    let (context, stop) = (Arc::clone(context), Arc::clone(stop));
    // A failed spawn drops the closure, and with it the connection.
    let _ =
        thread::Builder::new().stack_size(128 * 1024).spawn(move || converse(&context, &stop, &stream, peer, &entry));
}

fn refuse(mut stream: &TcpStream, version: &str) -> io::Result<()> {
    stream.set_write_timeout(Some(LINGER))?;
    let refusal = Response::text(503, "too many connections\n");
    stream.write_all(&refusal.bytes(version, None, true, true))
}
