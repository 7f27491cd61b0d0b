//! What several targets hold a text against.

/// Every line is plain: no control character, nothing that turns text around, nothing that a runner takes for a command.
///
/// # Panics
/// A line is not.
pub fn assert_plain(text: &str) {
    for line in text.split('\n') {
        assert!(!line.contains(char::is_control), "a control character: {line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2066}', '\u{200b}', '\u{2028}']), "an invisible character: {line:?}");
        assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "a command: {line:?}");
    }
}
