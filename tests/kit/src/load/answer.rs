//! One answer, read to its end.

use std::io::Read;

use crate::app::BodySum;
use crate::app::wire::{Framing, Head, Wire};

use super::failure::{Failure, Kind};
use super::report::NO_VERSION;

/// `100 Continue` and the like that may precede an answer; more is a server gone mad.
const INTERIM_MAX: usize = 8;

/// What counts of an answer. The body itself is read, summed up where its sum is told, and dropped.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body_sum: Option<String>,
    /// Bytes of its body.
    pub(super) len: u64,
    /// The checksum of its own body, as told and as it came.
    pub(super) own_sum: Option<(String, String)>,
    /// The server will take another request on this connection.
    pub(super) reusable: bool,
}

/// Reads an answer. `version` is set as soon as the headers tell it, so that an answer that is cut
/// afterwards is still known to come from that version.
pub(super) fn read<R: Read>(wire: &mut Wire<R>, version: &mut Option<String>) -> Result<Answer, Failure> {
    for _ in 0..INTERIM_MAX {
        let head = wire.head()?;
        let (status, reusable) = status_line(&head)?;
        if (100..200).contains(&status) && status != 101 {
            continue;
        }
        *version = Some(head.get("x-version").unwrap_or(NO_VERSION).to_owned());
        let framing = match status {
            101 => return Err(malformed("switched protocols without being asked")),
            204 | 304 => Framing::Length(0),
            _ => Framing::of(&head)?.unwrap_or(Framing::UntilClose),
        };
        let told = head.get("x-answer-sum");
        let (mut len, mut sum) = (0, BodySum::default());
        wire.body(framing, |piece| {
            len += piece.len() as u64;
            if told.is_some() {
                sum.add(piece);
            }
        })?;
        if wire.buffered() > 0 {
            let extra = wire.buffered();
            return Err(malformed(format!("{extra} bytes after the answer")));
        }
        return Ok(Answer {
            status,
            body_sum: head.get("x-body-sum").map(str::to_owned),
            len,
            own_sum: told.map(|told| (told.to_owned(), sum.hex())),
            reusable: reusable && framing != Framing::UntilClose,
        });
    }
    Err(malformed("too many interim answers"))
}

/// The status, and whether the connection stays open after the answer.
fn status_line(head: &Head) -> Result<(u16, bool), Failure> {
    let line = head.start.as_str();
    let (protocol, rest) = line.split_once(' ').unwrap_or((line, ""));
    let code = rest.split(' ').next().unwrap_or_default();
    let digits = code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    let code = code.parse().ok().filter(|code| digits && *code >= 100);
    match (protocol, code) {
        ("HTTP/1.1", Some(code)) => Ok((code, !head.connection_has("close"))),
        ("HTTP/1.0", Some(code)) => Ok((code, false)),
        _ => Err(malformed(format!("not a status line: {line:?}"))),
    }
}

pub(super) fn malformed(detail: impl Into<String>) -> Failure {
    Failure::new(Kind::Malformed, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &str) -> Result<Answer, Failure> {
        read(&mut Wire::new(bytes.as_bytes()), &mut None)
    }

    #[test]
    fn answers() {
        let answer = parse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Body-Sum: ab\r\n\r\nok");
        let answer = answer.expect("valid");
        assert_eq!((answer.status, answer.reusable), (200, true));
        assert_eq!(answer.body_sum.as_deref(), Some("ab"));
        let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\
            Transfer-Encoding: chunked\r\n\r\nA;x\r\n0123456789\r\n0\r\n\r\n";
        let chunked = parse(chunked).expect("valid");
        assert_eq!((chunked.status, chunked.reusable), (404, true));
        let empty = parse("HTTP/1.1 204\r\nContent-Length: 5\r\n\r\n").expect("valid");
        assert!(empty.reusable);
        let until_close = parse("HTTP/1.1 200 OK\r\n\r\nabc").expect("valid");
        assert!(!until_close.reusable);
        let closes = "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n";
        assert!(!parse(closes).expect("valid").reusable);
    }

    #[test]
    fn what_is_not_an_answer_has_its_kind() {
        let kind = |bytes: &str| parse(bytes).expect_err("refused").kind;
        assert_eq!(kind(""), Kind::Reset);
        assert_eq!(kind("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), Kind::Reset);
        assert_eq!(kind("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab"), Kind::Malformed);
        assert_eq!(kind("HTTP/1.1 2000 OK\r\n\r\n"), Kind::Malformed);
        assert_eq!(kind("HTTP/1.1 101 Hm\r\n\r\n"), Kind::Malformed);
        assert_eq!(kind("SSH-2.0-OpenSSH_9.2\r\n\r\n"), Kind::Malformed);
        assert_eq!(kind(&"HTTP/1.1 100 Go\r\n\r\n".repeat(9)), Kind::Malformed);
        let cut = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n";
        assert_eq!(kind(cut), Kind::Reset);
    }

    #[test]
    fn a_cut_answer_still_has_its_version() {
        let mut version = None;
        let bytes = b"HTTP/1.1 200 OK\r\nX-Version: v3\r\nContent-Length: 3\r\n\r\na";
        assert!(read(&mut Wire::new(&bytes[..]), &mut version).is_err());
        assert_eq!(version.as_deref(), Some("v3"));
    }
}
