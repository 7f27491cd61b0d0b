//! Takes secrets out of text that goes where no runner hides them: a comment, a summary.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::Secret;

/// Shortest text that is hidden, in characters: shorter ones would be found in any text.
pub const SHORTEST_HIDDEN: usize = 4;

/// Replaces secrets in text, also where base64 was made of them or of more around them.
#[derive(Debug, Clone)]
pub struct Redact(Secret<Vec<String>>);

impl Default for Redact {
    fn default() -> Self {
        Self(Secret::new(Vec::new()))
    }
}

impl Redact {
    /// Hides this text from now on, in each of its [`hidden_forms`].
    pub fn hide(&mut self, secret: &str) {
        let forms = hidden_forms(secret);
        let encoded: Vec<String> = forms.iter().flat_map(|form| encoded(form.as_bytes())).collect();
        self.add(forms.into_iter().chain(encoded));
    }

    /// Hides this login's password, and the two together as a header has them.
    pub fn hide_login(&mut self, username: &str, password: &str) {
        self.hide(password);
        self.add([basic_login(username, password)]);
    }

    /// The text with `***` for each secret in it.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.0.expose().iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }

    fn add(&mut self, texts: impl IntoIterator<Item = String>) {
        let all: BTreeSet<String> = self.0.expose().iter().cloned().chain(texts).collect();
        let mut all: Vec<String> = all.into_iter().filter(|text| text.chars().count() >= SHORTEST_HIDDEN).collect();
        // The longest first: one secret may hold another.
        all.sort_by_key(|text| Reverse(text.len()));
        self.0 = Secret::new(all);
    }
}

/// Each line without the spaces around it, as text is told line by line; of an agent key also the part that is the key.
#[must_use]
pub fn hidden_forms(text: &str) -> Vec<String> {
    let key = text.trim().strip_prefix("deploy-agent-key-").and_then(|rest| rest.rsplit_once(':'));
    text.lines().map(|line| line.trim().to_owned()).chain(key.map(|(_, key)| key.to_owned())).collect()
}

/// How a login travels in a header and stands in a docker config, without the padding that not all write.
#[must_use]
pub fn basic_login(username: &str, password: &str) -> String {
    STANDARD_NO_PAD.encode(format!("{username}:{password}"))
}

/// What of these bytes is in base64 whatever is around them: three bytes become four characters, from one of three
/// beginnings. The whole, for where nothing is around them.
fn encoded(bytes: &[u8]) -> Vec<String> {
    let aligned = (0..3).filter_map(|skipped| bytes.get(skipped..).map(|rest| &rest[..rest.len() / 3 * 3]));
    let texts = aligned.chain([bytes]);
    texts.flat_map(|part| [STANDARD_NO_PAD.encode(part), URL_SAFE_NO_PAD.encode(part)]).collect()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn hiding(secrets: &[&str]) -> Redact {
        let mut redact = Redact::default();
        secrets.iter().for_each(|secret| redact.hide(secret));
        redact
    }

    #[test]
    fn every_line_of_a_secret_is_replaced() {
        let redact = hiding(&["key-1\n  key-2\nab\n", "key-1-more", "deploy-agent-key-v1:vps:ci:seed-of-it"]);
        for (text, told) in
            [("x key-1 y key-2", "x *** y ***"), ("key-1-more", "***"), ("seed-of-it", "***"), ("cab", "cab"), ("", "")]
        {
            assert_eq!(redact.text(text), told);
        }
        assert!(!format!("{redact:?}").contains("key"));
    }

    #[test]
    fn base64_of_a_secret_and_of_what_is_around_it_is_replaced() {
        let secret = "s3cret-\u{3ff}\u{3fe}>>>???-token";
        let redact = hiding(&[secret]);
        for before in ["", "a", "ab", "abc", "user:"] {
            for after in ["", "z", "\n", "zz"] {
                let whole = format!("{before}{secret}{after}");
                for text in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
                    // A character or two at each edge belongs to the neighbours too.
                    let told = redact.text(&text);
                    assert!(told.contains("***") && told.len() <= 3 + 8 + 8, "{whole:?}: {told}");
                }
            }
        }
        let mut redact = Redact::default();
        redact.hide_login("eve", "pass");
        let sent = format!("Authorization: Basic {}", STANDARD.encode("eve:pass"));
        assert_eq!(redact.text(&sent), "Authorization: Basic ***=");
        assert_eq!(redact.text("pass"), "***");
    }
}
