//! A double of GitHub on loopback: remembers comments, deployments and statuses, records every call, and misbehaves
//! where it is told to.

mod answer;
mod fault;
mod objects;
mod openapi;
mod state;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::Value;

pub use fault::Fault;
pub use openapi::Description;
pub use state::VIEWER;

use answer::Answer;
use fault::Planned;
use state::State;

/// A call as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// The document that came with it; null without one.
    pub body: Value,
    /// Whether it carried a bearer token.
    pub authorized: bool,
    /// Status and document of the right answer, where no fault came in its place.
    pub answer: Option<(u16, Value)>,
}

/// The double. Its threads end with the process.
#[derive(Debug)]
pub struct GitHubDouble {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: State,
    faults: Vec<Planned>,
    calls: Vec<Call>,
}

impl GitHubDouble {
    /// Listens on a free port.
    ///
    /// # Errors
    /// There is none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let double = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Ok(double)
    }

    /// The address of its API, as `GITHUB_API_URL` has it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Lets a commit belong to pull requests.
    pub fn pull_requests(&self, commit: &str, numbers: &[u64]) {
        self.lock().state.pulls.insert(commit.to_owned(), numbers.to_vec());
    }

    /// Writes a comment as somebody; the token's owner is [`VIEWER`].
    pub fn comment(&self, pull_request: u64, author: &str, body: &str) -> u64 {
        self.lock().state.comment(pull_request, author, body)
    }

    /// Answers the next `times` calls with that method and a path that contains `path` with a fault.
    pub fn fail(&self, method: &str, path: &str, fault: Fault, times: u32) {
        self.lock().faults.push(Planned::new(method, path, fault, times));
    }

    /// Answers rightly from now on.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Every call so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The comments on a pull request: author and text.
    #[must_use]
    pub fn comments(&self, pull_request: u64) -> Vec<(String, String)> {
        self.lock().state.comments_on(pull_request)
    }

    /// The deployments, as they were asked for, each with its statuses, oldest first.
    #[must_use]
    pub fn deployments(&self) -> Vec<(Value, Vec<Value>)> {
        self.lock().state.deployments()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: &TcpStream, shared: &Mutex<Shared>) {
    let mut reader = io::BufReader::new(stream);
    while let Some(call) = wire::read(&mut reader) {
        let (fault, answer) = {
            let mut shared = lock(shared);
            let fault = shared.faults.iter_mut().find_map(|planned| planned.take(&call));
            let effect = fault.as_ref().is_none_or(Fault::has_effect);
            let answer = effect.then(|| shared.state.answer(&call));
            let right = answer.as_ref().filter(|_| fault.is_none()).map(Answer::document);
            shared.calls.push(Call { answer: right, ..call });
            (fault, answer)
        };
        let go_on = match (fault, answer) {
            (None, Some(answer)) => wire::send(stream, &answer),
            (Some(fault), answer) => fault.play(stream, answer),
            (None, None) => false,
        };
        if !go_on {
            return;
        }
    }
}
