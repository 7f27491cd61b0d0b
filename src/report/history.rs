//! Past deployments, for people.

use std::time::Duration;

use super::LINE;
use super::table::{short_image, table};
use crate::agent_api::{History, HistoryEntry};
use crate::domain::{EnvName, one_line, show_span, show_time};

/// Renders a service's history as a table, newest first.
#[must_use]
pub fn history(environment: &EnvName, history: &History) -> String {
    if history.entries.is_empty() {
        return format!("{environment}: no deployments yet\n");
    }
    let head = ["started", "took", "outcome", "release", "image", "by", "reason"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(history.entries.iter().map(row)).collect();
    format!("{environment}\n{}", table(&rows))
}

fn row(entry: &HistoryEntry) -> [String; 7] {
    let took = entry.finished_at.duration_since(entry.started_at);
    let rollback = if entry.rollback { " (rollback)" } else { "" };
    [
        show_time(entry.started_at),
        show_span(Duration::try_from(took).unwrap_or_default()),
        format!("{}{rollback}", entry.outcome.as_str()),
        entry.release.map_or_else(|| "-".to_owned(), |release| release.to_string()),
        one_line(&short_image(&entry.image), LINE),
        one_line(&entry.requested_by, 40),
        entry.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default(),
    ]
}
