//! A [`World`] over HTTP on loopback, for clients that take an endpoint: the SDKs and the command line of AWS.

mod exchange;
mod http;
mod json;
mod query;
mod xml;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::request::{AwsFault, Request};
use super::world::World;

pub use exchange::Exchange;

use http::{Answer, Call};

/// Serves a world. Its threads end with the process.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    world: World,
    exchanges: Vec<Exchange>,
    log: Option<PathBuf>,
}

impl Simulator {
    /// Serves a world on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start(world: World) -> io::Result<Self> {
        Self::listen(Shared { world, exchanges: Vec::new(), log: None })
    }

    /// The same, and appends each exchange to a file as one line of JSON.
    ///
    /// # Errors
    /// There is no free port.
    pub fn start_logged(world: World, log: &Path) -> io::Result<Self> {
        Self::listen(Shared { world, exchanges: Vec::new(), log: Some(log.to_owned()) })
    }

    fn listen(shared: Shared) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(shared));
        let simulator = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(simulator)
    }

    /// Its address, as `AWS_ENDPOINT_URL` has it. A path behind it is ignored.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at the world, or changes it, while no call is being answered.
    pub fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut lock(&self.shared).world)
    }

    /// Every exchange so far, in order.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared).exchanges.clone()
    }

    /// The exchanges of one operation, e.g. `CreateDeployment`.
    #[must_use]
    pub fn exchanges_of(&self, operation: &str) -> Vec<Exchange> {
        self.exchanges().into_iter().filter(|exchange| exchange.operation == operation).collect()
    }

    /// How many calls there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        lock(&self.shared).exchanges.len()
    }

    /// How many calls there were that change anything.
    #[must_use]
    pub fn writes(&self) -> usize {
        lock(&self.shared).exchanges.iter().filter(|exchange| exchange.is_write).count()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>) {
    // Answers are written in one piece; waiting for more to send would only slow a client down.
    let _ = stream.set_nodelay(true);
    let mut reader = io::BufReader::new(stream);
    while let Some(call) = http::read(&mut reader) {
        let go_on = answer(&call, shared).is_some_and(|answer| http::send(stream, &answer));
        if !go_on {
            return;
        }
    }
}

/// The answer to a call; none where the connection is to close without one.
fn answer(call: &Call, shared: &Mutex<Shared>) -> Option<Answer> {
    let request = match call.target.is_some() {
        true => json::request(call),
        false => query::request(call),
    };
    let Some(request) = request else {
        return Some(json::refused(&AwsFault::unknown_operation()));
    };
    let (outcome, late) = ask(&request, shared);
    // This caller waits; others are answered meanwhile.
    late.into_iter().for_each(thread::sleep);
    match outcome {
        Err(fault) if fault.status == 0 => None,
        outcome if request.service.speaks_query() => Some(xml::answer(&request, &outcome)),
        Ok(output) => Some(json::accepted(&output)),
        Err(fault) => Some(json::refused(&fault)),
    }
}

/// Asks the world, and remembers what was said. Gives how long the caller is kept waiting, too.
fn ask(request: &Request, shared: &Mutex<Shared>) -> (Result<serde_json::Value, AwsFault>, Option<Duration>) {
    let mut shared = lock(shared);
    shared.world.wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let outcome = shared.world.call(request);
    let exchange = Exchange::new(request, &outcome, shared.world.now);
    if let Some(log) = &shared.log {
        exchange.append_to(log);
    }
    shared.exchanges.push(exchange);
    (outcome, shared.world.gate.late.take())
}
