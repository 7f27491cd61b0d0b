//! The head of an HTTP/1.1 request, for doubles that read requests themselves.

use std::io::BufRead;

/// The first line, and the fields that follow it.
#[derive(Debug)]
pub(crate) struct Head {
    /// For example `GET /path HTTP/1.1`.
    pub(crate) first: String,
    /// Names are in lower case, values without the space around them.
    fields: Vec<(String, String)>,
}

impl Head {
    /// The next one; none at the end of the connection or where it is not HTTP.
    pub(crate) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        first.split_whitespace().nth(2)?;
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let Some((name, value)) = line.split_once(':') else { break };
            fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Some(Self { first, fields })
    }

    /// A field's value.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::Head;

    #[test]
    fn fields_are_found_whatever_their_case() {
        let head = Head::read(&mut &b"GET /a HTTP/1.1\r\nHost: b\r\nX-Long:  c \r\n\r\nbody"[..]).expect("a head");
        assert_eq!(
            (head.first.trim_end(), head.field("host"), head.field("x-long")),
            ("GET /a HTTP/1.1", Some("b"), Some("c"))
        );
        assert_eq!(head.field("x-other"), None);
        for cut in ["", "nonsense\r\n\r\n", "GET /a HTTP/1.1\r\nHost: b\r\n"] {
            assert!(Head::read(&mut cut.as_bytes()).is_none(), "{cut}");
        }
    }
}
