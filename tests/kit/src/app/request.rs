//! One request, read to the end of its body.

use std::io::{Read, Write};

use super::sum::BodySum;
use super::wire::{Framing, Head, Wire, WireError};

/// What the routes need to know of a request. The body is summed up, not kept.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// As received, with the query.
    pub(super) target: String,
    pub(super) head: Head,
    /// The checksum of the body, if the headers announce one.
    pub(super) body_sum: Option<String>,
    /// The client will not use the connection again.
    pub(super) close: bool,
}

impl Request {
    /// Reads the next request; `to` is the other direction, needed to invite a body that waits.
    pub(super) fn read<R: Read>(wire: &mut Wire<R>, mut to: impl Write) -> Result<Self, WireError> {
        let head = wire.head()?;
        let mut words = head.start.split(' ');
        let (method, target, protocol, rest) = (words.next(), words.next(), words.next(), words.next());
        let (Some(method), Some(target), Some(protocol), None) = (method, target, protocol, rest) else {
            return Err(not_a_request(&head));
        };
        if !matches!(protocol, "HTTP/1.1" | "HTTP/1.0") || !target.starts_with('/') {
            return Err(not_a_request(&head));
        }
        let (method, target) = (method.to_owned(), target.to_owned());
        let close = protocol == "HTTP/1.0" || head.connection_has("close");

        let mut body_sum = None;
        match Framing::of(&head)? {
            // A request without a length has no body: its connection stays open for the answer.
            None | Some(Framing::UntilClose) => {}
            Some(framing) => {
                let waits = head.get("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
                if waits {
                    to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").map_err(WireError::Io)?;
                }
                let mut sum = BodySum::default();
                wire.body(framing, |piece| sum.add(piece))?;
                body_sum = Some(sum.hex());
            }
        }
        Ok(Self { method, target, head, body_sum, close })
    }

    /// A number in the query, for example 100 of `?work=100`.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| value.parse().ok().filter(|_| key == name))
    }

    /// The target without its query.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

fn not_a_request(head: &Head) -> WireError {
    WireError::Malformed(format!("not a request line: {:?}", head.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Request, WireError> {
        Request::read(&mut Wire::new(bytes), std::io::sink())
    }

    #[test]
    fn bodies_of_both_kinds_are_summed() {
        let plain = read(b"POST /x?y=1 HTTP/1.1\r\nContent-Length: 6\r\n\r\nfoobar").expect("valid");
        assert_eq!(plain.body_sum.as_deref(), Some("85944171f73967e8"));
        assert_eq!((plain.path(), plain.target.as_str()), ("/x", "/x?y=1"));
        assert_eq!((plain.number("y"), plain.number("x")), (Some(1), None));
        let chunked = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: Close\r\n\r\n\
            3;a=b\r\nfoo\r\n3\r\nbar\r\n0\r\nX: y\r\n\r\n";
        let chunked = read(chunked).expect("valid");
        assert_eq!(chunked.body_sum, plain.body_sum);
        assert!(chunked.close && !plain.close);
        let none = read(b"GET / HTTP/1.0\r\n\r\n").expect("valid");
        assert!(none.body_sum.is_none() && none.close);
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        let cases: [&[u8]; 9] = [
            b"GET /\r\n\r\n",
            b"GET / HTTP/2\r\n\r\n",
            b"GET / HTTP/1.1\n\n",
            b"GET / HTTP/1.1\r\nContent-Length : 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            b"GET / HTTP/1.1\r\nContent-Length: +1\r\n\r\na",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            b"GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nfoo\r\n0\r\n\r\n",
        ];
        for case in cases {
            let error = read(case).expect_err("refused");
            assert!(matches!(error, WireError::Malformed(_)), "{error:?}");
        }
        let large = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(70_000));
        let error = read(large.as_bytes()).expect_err("refused");
        assert_eq!(error.to_string(), "the head is too large");
        let error = read(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na").expect_err("cut");
        assert_eq!(error.to_string(), "closed in the body, after 39 bytes");
    }
}
