//! Text from outside inside workflow commands. The rules are those of GitHub's runner.

use crate::domain::one_line;

/// Longest line of an annotation that is kept, in characters.
const LINE: usize = 1_000;

/// The data of a command: what follows the second `::`. Line breaks stay line breaks.
pub(super) fn data(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| one_line(line, LINE).replace('%', "%25")).collect();
    lines.join("%0A")
}

/// The value of a property.
pub(super) fn property(text: &str) -> String {
    one_line(text, LINE).replace('%', "%25").replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_stay_one_command() {
        assert_eq!(data("a%0A\r\n::error::b"), "a%250A%0A::error::b");
        assert_eq!(property("a,line=1::b\n"), "a%2Cline=1%3A%3Ab\\n");
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(text in "\\PC{0,40}|[\\x00-\\x9f#\\[:,%]{0,40}|.{0,40}") {
            prop_assert!(!data(&text).contains(char::is_control), "{text:?}");
            let inside = |c: char| c.is_control() || matches!(c, ':' | ',');
            prop_assert!(!property(&text).contains(inside), "{text:?}");
        }
    }
}
