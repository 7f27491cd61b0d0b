//! The last words of a container, made harmless.

use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::Engine;

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
        let lines: Vec<String> = text.lines().map(clean_line).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }
}

/// A foreign line without control characters, escape sequences and direction marks, at most 500 characters.
#[must_use]
pub fn clean_line(line: &str) -> String {
    let mut clean = String::with_capacity(line.len().min(LINE));
    let mut characters = line.chars().peekable();
    let mut kept = 0;
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // A CSI sequence ends at the first byte in @..~ (ECMA-48 5.4); other escapes are two characters.
            if characters.next_if_eq(&'[').is_some() {
                while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
            } else {
                characters.next();
            }
            continue;
        }
        let direction =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if direction || (character.is_control() && character != '\t') {
            continue;
        }
        if kept == LINE {
            clean.push('…');
            break;
        }
        clean.push(character);
        kept += 1;
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_lines_are_made_harmless() {
        assert_eq!(clean_line("\u{1b}[31mred\u{1b}[0m\r"), "red");
        assert_eq!(clean_line("a\u{202e}b\u{7}c\td"), "abc\td");
        assert_eq!(clean_line(&"x".repeat(2000)).chars().count(), 501);
    }
}
