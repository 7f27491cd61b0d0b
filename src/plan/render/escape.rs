//! Text from outside inside GitHub-flavoured markdown.
//!
//! Every character that markdown or HTML could read as more than itself becomes a character reference, line breaks
//! become escapes. References alone do not stop GitHub from making `@name`, `#12`, `GH-12` and `https://…` into links,
//! which it does after rendering, so in prose a zero-width space follows those characters; inside `<code>` it makes no
//! links of them. Addresses that begin with `www.` and those of mail become links while markdown is read, in `<code>` too:
//! the first have no dot for the reader, the others are parted by an element that shows nothing.

use std::fmt::Write;

use super::LINE;
use crate::domain::one_line;

/// The text as running prose.
#[must_use]
pub fn markdown_prose(text: &str) -> String {
    references(text, "&#8203;")
}

/// The text as code: shown exactly, copied exactly.
#[must_use]
pub fn markdown_code(text: &str) -> String {
    format!("<code>{}</code>", references(text, ""))
}

fn references(text: &str, after_link: &str) -> String {
    let mut out = String::new();
    let line = one_line(text, LINE);
    for (at, c) in line.char_indices() {
        let (before, after) = (&line[..at], &line[at + c.len_utf8()..]);
        // Writing to a String cannot fail.
        let _ = match c {
            '@' if after_link.is_empty() && names_a_host(after) => write!(out, "&#64;<wbr>"),
            '@' | '#' | ':' => write!(out, "&#{};{after_link}", u32::from(c)),
            // Four of them at the beginning of a line would make it a block of code.
            ' ' if out.is_empty() => write!(out, "&#32;"),
            '.' if ends_with(before, "www") => write!(out, "&#46;"),
            '-' if ends_with(before, "gh") => write!(out, "&#45;{after_link}"),
            ' ' | '.' | ',' | ';' | '/' | '%' | '\'' | '?' => write!(out, "{c}"),
            '-' if !out.is_empty() => write!(out, "{c}"),
            c if c.is_ascii_punctuation() => write!(out, "&#{};", u32::from(c)),
            c => write!(out, "{c}"),
        };
    }
    out
}

fn ends_with(text: &str, word: &str) -> bool {
    text.get(text.len().saturating_sub(word.len())..).is_some_and(|end| end.eq_ignore_ascii_case(word))
}

/// As the end of a mail address does: a dot among letters, digits and dashes.
fn names_a_host(text: &str) -> bool {
    text.chars().take_while(|c| c.is_alphanumeric() || "-_.".contains(*c)).any(|c| c == '.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_stays_text() {
        for (text, expected) in [
            ("plain text, with 1/2.", "plain text, with 1/2."),
            ("<img src=x>", "&#60;img src&#61;x&#62;"),
            ("@everyone", "&#64;&#8203;everyone"),
            ("a | b", "a &#124; b"),
            ("```\n# x", "&#96;&#96;&#96;&#92;n&#35;&#8203; x"),
            ("- item", "&#45; item"),
            ("    item", "&#32;   item"),
            ("https://x", "https&#58;&#8203;//x"),
            ("&lt;", "&#38;lt;"),
            ("see www.x.example, GH-12", "see www&#46;x.example, GH&#45;&#8203;12"),
            ("a@b.example", "a&#64;&#8203;b.example"),
        ] {
            assert_eq!(markdown_prose(text), expected);
        }
        assert_eq!(markdown_code("a@sha256:b"), "<code>a&#64;sha256&#58;b</code>");
        assert_eq!(markdown_code("www.x, a@b.example"), "<code>www&#46;x, a&#64;<wbr>b.example</code>");
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(text in "\\PC{0,60}|[-<>|`@#:*_~.\\[\\]()!&\\\\\\n\\r\\taw1 ]{0,60}") {
            let prose = markdown_prose(&text);
            let inner = markdown_code(&text).replace("<wbr>", "");
            let inner = inner.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>"));
            for out in [Some(prose.as_str()), inner] {
                let out = out.unwrap();
                prop_assert!(!out.contains(['<', '>', '|', '`', '@', '\n', '\r', '*', '_', '[', ']', '\\', '~', '$']), "{out}");
                prop_assert!(!out.contains("://"), "{out}");
                // `&` and `#` only as parts of our own references.
                for (at, _) in out.match_indices('&') {
                    let digits: String = out[at + 1..].chars().skip(1).take_while(char::is_ascii_digit).collect();
                    prop_assert!(out[at + 1..].starts_with('#') && !digits.is_empty(), "{out}");
                }
                prop_assert_eq!(out.matches('#').count(), out.matches("&#").count());
                prop_assert!(!out.starts_with('-'));
            }
        }
    }
}
