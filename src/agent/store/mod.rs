//! What the agent keeps on disk, per application: an append-only journal while a deployment runs, and the state between
//! deployments. Decides nothing.

mod atomic;
mod events;
mod history;
mod journal;
mod lock;
mod record;
mod state;

pub use atomic::{remove_file, write_atomic};
pub use events::EventLog;
pub use history::{History, Line};
pub use journal::{Found, Journal, JournalError};
pub use lock::Lock;
pub use record::{Accepted, Ended, Member, Point, Record};
pub use state::{AppState, CompiledRoute, RouteService, ServiceState, StateError, fence};
