//! What stops the parser, in words that say what to do.

use serde_saphyr::granit_parser::{ErrorKind, ScanError};

use super::problem::{Problem, Span, lines};

pub(super) fn problem(error: &ScanError, text: &str) -> Problem {
    let marker = error.marker();
    let at = Span { line: marker.line().max(1), column: marker.col() + 1, width: 1 };
    let at = if is_tab(error.kind()) { first_tab(text, at) } else { at };
    let (message, hint) = words(error.kind());
    Problem { at, message, hint: Some(hint.to_owned()), hidden: false }
}

fn is_tab(kind: &ErrorKind) -> bool {
    use ErrorKind as K;
    matches!(
        kind,
        K::TabNotAllowed
            | K::TabInBlockIndentation
            | K::TabInIndentation
            | K::TabAtBlockScalarStart
            | K::TabInPlainScalar
    )
}

/// The tab itself: the parser stops at what follows it.
fn first_tab(text: &str, at: Span) -> Span {
    let tab = lines(text).nth(at.line - 1).and_then(|line| line.chars().position(|c| c == '\t'));
    tab.map_or(at, |position| Span { column: position + 1, ..at })
}

fn words(kind: &ErrorKind) -> (String, &'static str) {
    use ErrorKind as K;
    let (message, hint) = match kind {
        kind if is_tab(kind) => ("a tab stands in the indentation", "indent with spaces: YAML refuses tabs"),
        K::UnclosedQuotedScalar | K::UnexpectedEof => ("a text in quotes does not end", "add the closing quote"),
        K::UnclosedFlowCollection { .. }
        | K::UnexpectedEofFlowSequence
        | K::UnexpectedEofFlowMapping
        | K::UnexpectedEofImplicitFlowMapping => ("a `[` or `{` is not closed", "add the closing bracket"),
        K::MismatchedFlowCollectionEnd { .. } | K::MisplacedFlowCollectionEnd => {
            ("a bracket closes what was not opened", "check the brackets of this line and of those before")
        }
        K::ExpectedFlowMappingSeparator | K::ExpectedFlowSequenceSeparator => {
            ("a `,` or a closing bracket is expected here", "check the brackets of this line and of those before")
        }
        K::InvalidIndentation
        | K::ExpectedBlockMappingKey
        | K::ExpectedBlockSequenceEntry
        | K::InvalidFlowScalarIndent => (
            "the indentation fits no level above",
            "indent the entries of one mapping or list by the same number of spaces",
        ),
        K::SimpleKeyExpected | K::InvalidSimpleKey => {
            ("a `key: value` is expected here", "add the `:` and a space, or check the indentation")
        }
        K::MappingValueNotAllowed
        | K::InvalidColonPlacement
        | K::InvalidMappingValueWhitespace
        | K::MappingKeyNotAllowed => (
            "a `:` is not possible here",
            "put a text that contains `: ` in quotes, or check that the line before has its `:`",
        ),
        K::BlockSequenceEntryNotAllowed | K::BlockEntryInFlowCollection => {
            ("a `-` is not possible here", "put a list on the lines after its key, or write it as `[a, b]`")
        }
        K::UnexpectedCharacter { character } if character.is_control() => {
            ("a control character stands here", "remove it; in double quotes it can be written as an escape")
        }
        K::UnexpectedCharacter { .. } | K::UnexpectedEndOfPlainScalar | K::PlainScalarStartsWithDashFlowIndicator => {
            ("a text cannot begin with this character", "put the text in quotes")
        }
        K::InvalidTrailingSingleQuotedScalar | K::InvalidTrailingDoubleQuotedScalar => {
            ("something follows the closing quote", "put the whole text in quotes")
        }
        K::UnknownQuotedScalarEscape => {
            ("this escape is unknown", "write `\\\\` for a backslash, or put the text in single quotes")
        }
        K::UnknownAnchor => ("this alias has no anchor before it", "write the value out, or put the text in quotes"),
        K::RecursionLimitExceeded => ("this is nested too deep", "check the indentation"),
        K::DirectiveDisallowed => ("`%` directives are not supported", "remove the line, or put the text in quotes"),
        K::BomInsideDocument => ("a byte order mark stands inside the file", "save the file as UTF-8 without marks"),
        other => return (format!("this is not valid YAML: {other}"), "check quotes, brackets and indentation"),
    };
    (message.to_owned(), hint)
}
