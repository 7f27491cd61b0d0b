//! Damages a good file in the ways that typing and copying do, for tests that reading survives it.

use proptest::prelude::*;

/// One kind of damage, at a place that is taken modulo the length of the text.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Replace(usize, u8),
    Insert(usize, &'static str),
    Delete(usize, usize),
    DuplicateLine(usize),
    DeleteLine(usize),
    IndentLine(usize, bool),
}

pub(crate) fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<usize>;
    let token = prop::sample::select(vec![
        "&a ",
        "*a",
        "<<: *a",
        "\t",
        "\u{feff}",
        "\r\n",
        "- ",
        "? ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "\"",
        "'",
        "|\n",
        ">\n",
        "!!str ",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "#",
        "~",
        "\u{0}",
        "\u{202e}",
        "é",
        "@",
        "`",
        "null",
        "no",
    ]);
    let one = prop_oneof![
        (at(), any::<u8>()).prop_map(|(i, b)| Damage::Replace(i, b)),
        (at(), token).prop_map(|(i, t)| Damage::Insert(i, t)),
        (at(), 1..40usize).prop_map(|(i, n)| Damage::Delete(i, n)),
        at().prop_map(Damage::DuplicateLine),
        at().prop_map(Damage::DeleteLine),
        (at(), any::<bool>()).prop_map(|(i, more)| Damage::IndentLine(i, more)),
    ];
    prop::collection::vec(one, 1..8)
}

pub(crate) fn apply(text: &str, damages: &[Damage]) -> String {
    let mut text = text.to_owned();
    for damage in damages {
        let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
        let (bytes, count) = (text.len() + 1, lines.len().max(1));
        match damage {
            Damage::Replace(at, byte) => {
                let mut raw = text.into_bytes();
                if let Some(place) = raw.get_mut(at % bytes) {
                    *place = *byte;
                }
                text = String::from_utf8_lossy(&raw).into_owned();
                continue;
            }
            Damage::Insert(at, token) => {
                text.insert_str(text.floor_char_boundary(at % bytes), token);
                continue;
            }
            Damage::Delete(at, length) => {
                let start = text.floor_char_boundary(at % bytes);
                let end = text.ceil_char_boundary((start + length).min(text.len()));
                text.replace_range(start..end, "");
                continue;
            }
            _ if lines.is_empty() => continue,
            Damage::DuplicateLine(at) => lines.insert(at % count, lines[at % count].clone()),
            Damage::DeleteLine(at) => drop(lines.remove(at % count)),
            Damage::IndentLine(at, true) => lines[at % count].insert_str(0, "  "),
            Damage::IndentLine(at, false) => lines[at % count] = lines[at % count].trim_start().to_owned(),
        }
        text = lines.concat();
    }
    text
}
