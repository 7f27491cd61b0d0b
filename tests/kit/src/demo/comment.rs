//! A comment as it appears: its markdown as text, with what is folded left out.

/// The lines that a reader sees before unfolding anything.
pub(super) fn visible(markdown: &str) -> Vec<String> {
    let (mut lines, mut depth) = (Vec::<String>::new(), 0_usize);
    for line in markdown.lines() {
        let closed = depth > 0;
        depth = (depth + line.matches("<details").count()).saturating_sub(line.matches("</details>").count());
        let folded = line.split_once("<summary>").and_then(|(_, rest)| rest.split_once("</summary>"));
        let is_rule = line.starts_with("|--");
        let text = match folded {
            Some((title, _)) if !closed => format!("▸ {}", plain(title)),
            _ if closed || is_rule => continue,
            _ => plain(line),
        };
        // Where something was left out, no gap stays.
        if !text.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(text);
        }
    }
    lines
}

/// A line without marks, tags and entities; of a link its words.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at]);
        rest = rest[at..].split_once('>').map_or("", |(_, after)| after);
    }
    text.push_str(rest);
    let text = text.replace("**", "");
    let text = text.trim_start_matches(['#', ' ']).trim_end();
    decoded(&without_links(text))
}

/// With the words of `[words](address)` only.
fn without_links(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("](") {
        let (text, words) = before.rsplit_once('[').unwrap_or(("", before));
        out.extend([text, words]);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// With `&#58;` and the like as the characters that they stand for.
fn decoded(text: &str) -> String {
    let mut parts = text.split("&#");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let sign = part.split_once(';').and_then(|(number, rest)| Some((char::from_u32(number.parse().ok()?)?, rest)));
        match sign {
            // It only keeps GitHub from making a link.
            Some(('\u{200b}', rest)) => out.push_str(rest),
            Some((sign, rest)) => {
                out.push(sign);
                out.push_str(rest);
            }
            None => out.push_str(&format!("&#{part}")),
        }
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_sees() {
        let markdown = "<!-- marker -->\n### ❌ To <code>prod&#117;ction</code>\n\n| a | b |\n|---|---|\n| 1 | <code>2</code> |\n\n\
                        **Why:** http&#58;&#8203;//x &lt;b&gt;\n\n<details><summary>Plan</summary>\n\n| x |\n\n</details>\n\n\
                        <sub>Commit <code>1a</code>. [Open](https://x). [Run](https://x/1)</sub>\n";
        let wanted = "❌ To production\n\n| a | b |\n| 1 | 2 |\n\nWhy: http://x <b>\n\n▸ Plan\n\nCommit 1a. Open. Run";
        assert_eq!(visible(markdown).join("\n"), wanted);
    }
}
