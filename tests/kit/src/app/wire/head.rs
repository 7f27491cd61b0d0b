//! The start line and the headers of a message.

use std::io::Read;

use super::{HEAD_CAP, Wire, WireError, malformed};

/// What comes before the body.
#[derive(Debug)]
pub(crate) struct Head {
    /// Request line or status line.
    pub(crate) start: String,
    /// Names in lower case, in the order received; a name may occur twice.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// All values of a header, by its lower-case name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let wanted = move |(n, _): &&(String, String)| n == name;
        self.headers.iter().filter(wanted).map(|(_, value)| value.as_str())
    }

    /// The first value of a header, by its lower-case name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Whether `Connection` lists `option`, in any case.
    pub(crate) fn connection_has(&self, option: &str) -> bool {
        self.all("connection").flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(option))
    }
}

impl<R: Read> Wire<R> {
    /// Reads a start line and headers, up to and with the empty line.
    pub(crate) fn head(&mut self) -> Result<Head, WireError> {
        let mut budget = HEAD_CAP;
        let start = text(&self.line("the head", &mut budget)?);
        let mut headers = Vec::new();
        loop {
            let line = self.line("the head", &mut budget)?;
            if line.is_empty() {
                return Ok(Head { start, headers });
            }
            headers.push(header(&line)?);
        }
    }
}

/// One header line. A space before the colon or a folded line is refused, as RFC 9112 wants.
fn header(line: &[u8]) -> Result<(String, String), WireError> {
    let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
    let (name, value) = (&line[..colon], line.get(colon + 1..).unwrap_or_default());
    let token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(token) {
        return Err(malformed(format!("not a header line: {:?}", text(line))));
    }
    let value = text(value).trim_matches([' ', '\t']).to_owned();
    Ok((text(name).to_ascii_lowercase(), value))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
