//! The last words of a container, made harmless.

use std::cmp::Reverse;
use std::time::Duration;

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::Engine;
use crate::domain::one_line;

/// Longest line kept, in characters.
const LINE: usize = 500;
/// Longest wait for the engine to hand over the lines.
const WAIT: Duration = Duration::from_secs(5);

/// Most that is held of the lines, in bytes.
const HELD: usize = 4 * 1024 * 1024;
/// Shortest value of the environment that is hidden, in bytes: shorter ones are the words and numbers of any log.
const HIDDEN: usize = 8;

impl Engine {
    /// The last `count` lines of a container's output, cleaned, without the values that it was given as environment:
    /// an application that fails may print them. Empty where the engine gives none: a diagnosis never fails for want of
    /// a log.
    pub async fn last_lines(&self, id: &str, count: usize) -> Vec<String> {
        let Some(given) = self.given(id).await else { return Vec::new() };
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&count.to_string()).build();
        let mut chunks = self.docker.logs(id, Some(options));
        let mut tail = Tail::default();
        let read = async {
            while let Some(Ok(chunk)) = chunks.next().await {
                tail.push(&chunk.into_bytes());
            }
        };
        // What arrived in time is what is shown.
        let _ = tokio::time::timeout(WAIT, read).await;
        let text = masked(&String::from_utf8_lossy(tail.whole_lines()), &given);
        let lines: Vec<String> = text.lines().map(|line| one_line(line, LINE)).collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    /// A container's environment as `NAME=value`, without what its image holds for everybody to read.
    async fn given(&self, id: &str) -> Option<Vec<String>> {
        let container = self.bounded(self.docker.inspect_container(id, None)).await.ok()?;
        let image = self.bounded(self.docker.inspect_image(&container.image.unwrap_or_default())).await.ok();
        let public = image.and_then(|image| image.config?.env).unwrap_or_default();
        let mut given = container.config.and_then(|config| config.env).unwrap_or_default();
        given.retain(|pair| !public.contains(pair));
        Some(given)
    }
}

/// The last bytes of a log: its tail is bounded in lines, and a line can be of any length.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        if self.bytes.len() > 2 * HELD {
            self.bytes.drain(..self.bytes.len() - HELD);
            self.cut = true;
        }
    }

    /// Without the line whose beginning is gone: half a secret would not be known as one.
    fn whole_lines(&self) -> &[u8] {
        let first = if self.cut { self.bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1) } else { Some(0) };
        first.map_or(&[], |first| &self.bytes[first..])
    }
}

fn masked(text: &str, given: &[String]) -> String {
    // A value of several lines, a key for example, is printed line by line.
    let values = given.iter().filter_map(|pair| pair.split_once('=')).flat_map(|(_, value)| value.lines());
    let mut values: Vec<&str> = values.map(str::trim).filter(|value| value.len() >= HIDDEN).collect();
    // One may be part of another.
    values.sort_by_key(|value| Reverse(value.len()));
    values.into_iter().fold(text.to_owned(), |text, value| text.replace(value, "***"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_lines_the_last_ones_are_kept_whole() {
        let mut tail = Tail::default();
        let line = [vec![b'x'; 1024 * 1024], b"\n".to_vec()].concat();
        (0..30).for_each(|_| line.chunks(10_000).for_each(|chunk| tail.push(chunk)));
        tail.push(b"the last one\n");
        assert!(tail.bytes.len() <= 2 * HELD, "{}", tail.bytes.len());
        let lines: Vec<&[u8]> = tail.whole_lines().split_inclusive(|byte| *byte == b'\n').collect();
        assert!(lines.len() > 3 && lines[..lines.len() - 1].iter().all(|kept| *kept == line), "{}", lines.len());
        assert_eq!(lines.last(), Some(&&b"the last one\n"[..]));

        let mut endless = Tail::default();
        (0..12).for_each(|_| endless.push(&line[..line.len() - 1]));
        assert_eq!(endless.whole_lines(), b"", "its beginning is gone");
    }

    #[test]
    fn values_of_the_environment_are_hidden() {
        let given = ["PORT=8080", "TOKEN=abcdefgh", "URL=db://u:abcdefgh@db/x", "PEM=--begin--\n0123456789\n"];
        let log = "listening on 8080\ncannot use abcdefgh\ndb://u:abcdefgh@db/x is down\nkey 0123456789";
        assert_eq!(masked(log, &given.map(str::to_owned)), "listening on 8080\ncannot use ***\n*** is down\nkey ***");
    }
}
