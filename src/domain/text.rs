//! Text from outside, made harmless for a terminal and for a CI log.

/// One printable line of at most `max` characters, whatever came in.
///
/// Terminal sequences are dropped; other control characters, line breaks and characters that change the direction of
/// text are written as escapes. `##[`, which GitHub's runner takes for a command anywhere in a line, is broken up.
/// A caller that prints the result at the start of a line puts something before it, because a line that begins with
/// `::` is a command too.
#[must_use]
pub fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            // CSI: parameters and intermediates up to one final byte (ECMA-48, 5.4).
            '\u{1b}' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.peek().is_some_and(|c| matches!(c, '\u{20}'..='\u{3f}')) {
                    rest.next();
                }
                rest.next_if(|c| matches!(c, '\u{40}'..='\u{7e}'));
            }
            '\t' => out.push(' '),
            '\n' => out.push_str("\\n"),
            '\r' if rest.peek() == Some(&'\n') => {}
            c if c.is_control() || invisible(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            '[' if out.ends_with("##") => out.push_str(" ["),
            c => out.push(c),
        }
    }
    if out.chars().count() > max {
        out = out.chars().take(max.saturating_sub(1)).chain(['…']).collect();
    }
    out
}

/// A JSON document in which no string can do harm where it is printed; it means the same as before.
///
/// Control characters that JSON allows in strings as they are, characters that change the direction of text, and
/// `##[` can stand in strings only, where an escape is the same character.
#[must_use]
pub fn plain_json(document: &str) -> String {
    let mut out = String::with_capacity(document.len());
    for c in document.chars() {
        match c {
            '\n' => out.push(c),
            '[' if out.ends_with("##") => out.push_str("\\u005b"),
            c if c.is_control() || invisible(c) => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Line separators, zero-width and direction-changing characters (Unicode categories Zl, Zp and the Cf of UAX #9).
fn invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}

/// Bytes as lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_becomes_one_plain_line() {
        for (text, expected) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\r\nb\nc", "a\\nb\\nc"),
            ("over\rwrite", "over\\u{d}write"),
            ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
            ("x ##[add-mask]y", "x ## [add-mask]y"),
            ("#\u{1b}[m#[x]", "## [x]"),
            ("abc\u{202e}def", "abc\\u{202e}def"),
            ("tab\there", "tab here"),
        ] {
            assert_eq!(one_line(text, 100), expected);
        }
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_is_plain(text in "\\PC{0,40}|[\\x00-\\x9f#\\[:\"]{0,40}|.{0,40}") {
            let value = serde_json::json!([{"text": text}]);
            let safe = plain_json(&format!("{value:#}"));
            prop_assert!(!safe.contains("##["), "{safe}");
            prop_assert!(!safe.chars().any(|c| c != '\n' && (c.is_control() || invisible(c))), "{safe:?}");
            prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
        }

        #[test]
        fn nothing_dangerous_passes(text in "\\PC{0,40}|[\\x00-\\x9f#\\[:]{0,40}|.{0,40}") {
            let line = one_line(&text, 500);
            prop_assert!(!line.chars().any(|c| c.is_control() || invisible(c)), "{line:?}");
            prop_assert!(!line.contains("##["), "{line:?}");
            prop_assert!(line.chars().count() <= 500);
        }
    }
}
