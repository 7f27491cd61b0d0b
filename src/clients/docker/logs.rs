//! The last words of a container, made harmless.

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::Engine;
use crate::domain::one_line;

/// Longest line kept, in characters.
const LINE: usize = 500;
/// Longest wait for the engine to hand over the lines.
const WAIT: Duration = Duration::from_secs(5);

impl Engine {
    /// The last `count` lines of a container's output, cleaned. Empty where the engine gives none: a diagnosis never
    /// fails for want of a log.
    pub async fn last_lines(&self, id: &str, count: usize) -> Vec<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).build();
        let mut chunks = self.docker.logs(id, Some(options));
        let mut bytes = Vec::new();
        let read = async {
            while let Some(Ok(chunk)) = chunks.next().await {
                bytes.extend_from_slice(&chunk.into_bytes());
                // The tail is bounded in lines, not in bytes.
                if bytes.len() > 4 * 1024 * 1024 {
                    break;
                }
            }
        };
        // What arrived in time is what is shown.
        let _ = tokio::time::timeout(WAIT, read).await;
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<String> = text.lines().map(|line| one_line(line, LINE)).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}
