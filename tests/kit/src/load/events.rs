//! Server-sent events: connections beside the requests, each read until somebody ends it, and then opened anew
//! as browsers do. How each of them ended is the finding; none is a failed request.

use std::collections::HashMap;
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::app::wire::{Framing, Wire, WireError};

use super::config::LoadConfig;
use super::link;

/// Between a connection that could not be opened and the next try.
const PAUSE: Duration = Duration::from_millis(100);

/// One connection to the events, from its opening to its end.
#[derive(Debug, Clone, Serialize)]
pub struct EventStream {
    /// Who answered; none if nobody did.
    pub version: Option<String>,
    /// When it was asked for, in milliseconds since the start of the run.
    pub opened_ms: f64,
    /// When it ended.
    pub ended_ms: f64,
    /// Events that arrived.
    pub events: u64,
    /// Who ended it, and how.
    pub end: StreamEnd,
}

/// How a stream of events ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamEnd {
    /// The server said that it is complete.
    Complete,
    /// The connection ended in the middle.
    Cut,
    /// No event for as long as an answer may take.
    Silent,
    /// There was no connection, or an answer other than 200.
    Refused,
    /// The run was over.
    Client,
}

/// All connections to the events of a run.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: Mutex<HashMap<usize, TcpStream>>,
    /// With an event already.
    pub(super) live: AtomicU64,
    closing: AtomicBool,
    ended: Mutex<Vec<EventStream>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Listeners {
    /// Listens on connection `number`, one after the other, until [`Listeners::close`].
    pub(super) fn listen(&self, number: usize, config: &LoadConfig, start: impl Fn() -> Instant) {
        while !self.closing.load(Ordering::SeqCst) {
            let opened = Instant::now();
            let mut stream =
                EventStream { version: None, opened_ms: 0.0, ended_ms: 0.0, events: 0, end: StreamEnd::Refused };
            let end = self.follow(number, config, &mut stream).unwrap_or(StreamEnd::Refused);
            locked(&self.open).remove(&number);
            if stream.events > 0 {
                self.live.fetch_sub(1, Ordering::SeqCst);
            }
            let over = self.closing.load(Ordering::SeqCst);
            stream.end = if over { StreamEnd::Client } else { end };
            let offset = |at: Instant| at.saturating_duration_since(start()).as_secs_f64() * 1e3;
            (stream.opened_ms, stream.ended_ms) = (offset(opened), offset(Instant::now()));
            locked(&self.ended).push(stream);
            if end == StreamEnd::Refused && !over {
                thread::sleep(PAUSE);
            }
        }
    }

    /// `None` where no events came about.
    fn follow(&self, number: usize, config: &LoadConfig, seen: &mut EventStream) -> Option<StreamEnd> {
        let stream = link::connect(config.target, config.connect_timeout).ok()?;
        stream.set_read_timeout(Some(config.response_timeout)).ok()?;
        locked(&self.open).insert(number, stream.try_clone().ok()?);
        if self.closing.load(Ordering::SeqCst) {
            return Some(StreamEnd::Client);
        }
        let headers: String = config.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let (path, host) = (&config.events_path, &config.host);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n{headers}\r\n");
        (&stream).write_all(request.as_bytes()).ok()?;
        let mut wire = Wire::new(&stream);
        let head = wire.head().ok()?;
        seen.version = head.get("x-version").map(str::to_owned);
        if !head.start.starts_with("HTTP/1.1 200") || Framing::of(&head).ok()? != Some(Framing::Chunked) {
            return None;
        }
        let mut last = 0;
        let read = wire.body(Framing::Chunked, |piece| {
            for byte in piece {
                if (last, *byte) == (b'\n', b'\n') {
                    self.live.fetch_add(u64::from(seen.events == 0), Ordering::SeqCst);
                    seen.events += 1;
                }
                last = *byte;
            }
        });
        Some(match read {
            Ok(()) => StreamEnd::Complete,
            Err(WireError::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => StreamEnd::Silent,
            Err(_) => StreamEnd::Cut,
        })
    }

    /// Ends all of them; nothing is opened any more.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for stream in locked(&self.open).values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// All that have ended, in the order of their ends.
    pub(super) fn ended(&self) -> Vec<EventStream> {
        locked(&self.ended).clone()
    }
}
