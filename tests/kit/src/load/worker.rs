//! One request from its due time to its outcome.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::app::wire::Wire;

use super::answer::{self, Answer, malformed};
use super::config::LoadConfig;
use super::events::Listeners;
use super::failure::{Failure, Kind};
use super::ledger::{Ledger, Settled};
use super::link::{self, Timed};
use super::outgoing::Outgoing;
use super::pacer::{Pacer, Ticket};
use super::pool::Pool;

/// After an answer on a fresh connection the server is left to close first, for so long: it shows bytes
/// beyond the answer, and whoever closes first keeps the port busy for a minute.
const LINGER: Duration = Duration::from_millis(200);

/// How far a request came, also if it failed.
#[derive(Debug, Default)]
struct Progress {
    /// Set once the headers of an answer have told it.
    version: Option<String>,
    /// Set once an answer is complete.
    done: Option<Instant>,
}

/// What all workers share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: LoadConfig,
    pub(super) pacer: Pacer,
    pub(super) pool: Pool,
    pub(super) ledger: Ledger,
    pub(super) listeners: Listeners,
}

impl Shared {
    /// Sends requests until the pacer has no more.
    pub(super) fn work(&self) {
        while let Some(ticket) = self.pacer.next() {
            self.send(ticket);
        }
    }

    /// Follows server-sent events until the run is over.
    pub(super) fn listen(&self, number: usize) {
        self.listeners.listen(number, &self.config, || self.ledger.start());
    }

    fn send(&self, ticket: Ticket) {
        let outgoing = Outgoing::build(&self.config, ticket.index);
        self.ledger.sent(&outgoing, ticket.due, Instant::now());
        let mut progress = Progress::default();
        let result = self.connection(&outgoing).and_then(|stream| self.exchange(stream, &outgoing, &mut progress));
        self.ledger.settle(Settled {
            outgoing: &outgoing,
            due: ticket.due,
            done: progress.done.unwrap_or_else(Instant::now),
            version: progress.version,
            result,
        });
    }

    fn connection(&self, outgoing: &Outgoing) -> Result<TcpStream, Failure> {
        if !outgoing.fresh {
            let taken = self.pool.take();
            self.ledger.taken(taken.stale, taken.stream.is_some());
            if taken.unsolicited {
                return Err(malformed("bytes on an idle connection"));
            }
            if let Some(stream) = taken.stream {
                return Ok(stream);
            }
        }
        link::connect(self.config.target, self.config.connect_timeout)
    }

    /// Writes the request and reads its answer. There is one attempt: whatever fails here has failed.
    fn exchange(&self, stream: TcpStream, outgoing: &Outgoing, progress: &mut Progress) -> Result<(), Failure> {
        let deadline = Instant::now() + self.config.response_timeout;
        let mut timed = Timed { stream: &stream, deadline };
        timed.write_all(&outgoing.bytes)?;
        let mut wire = Wire::new(timed);
        let answer = answer::read(&mut wire, &mut progress.version)?;
        progress.done = Some(Instant::now());
        if outgoing.fresh {
            await_close(&mut wire)?;
        } else if answer.reusable {
            self.pool.keep(stream);
        }
        judge(&answer, outgoing)
    }
}

fn judge(answer: &Answer, outgoing: &Outgoing) -> Result<(), Failure> {
    if !(200..300).contains(&answer.status) {
        let detail = format!("answered {}", answer.status);
        return Err(Failure::new(Kind::Status(answer.status), detail));
    }
    if outgoing.body_sum.is_some() && outgoing.body_sum != answer.body_sum {
        let (sent, came) = (&outgoing.body_sum, &answer.body_sum);
        let detail = format!("sent a body with checksum {sent:?}, answered {came:?}");
        return Err(Failure::new(Kind::Checksum, detail));
    }
    if let Some(bytes) = outgoing.answer_len {
        let (told, came) = answer.own_sum.clone().unwrap_or_default();
        if answer.len != bytes || told != came {
            let detail = format!("{} of {bytes} bytes with checksum {came:?} instead of {told:?}", answer.len);
            return Err(Failure::new(Kind::Checksum, detail));
        }
    }
    Ok(())
}

/// The answer is complete and stays so, however the connection ends; only more bytes are wrong.
fn await_close(wire: &mut Wire<Timed<'_>>) -> Result<(), Failure> {
    wire.reader_mut().deadline = Instant::now() + LINGER;
    match wire.fill() {
        Ok(true) => Err(malformed("bytes after the answer")),
        Ok(false) | Err(_) => Ok(()),
    }
}
