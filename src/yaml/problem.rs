//! What is wrong in a file, and how that is shown.

use std::error::Error;
use std::fmt;

/// The longest part of a line that is shown, in characters.
const SHOWN: usize = 120;
/// The most problems that are written out.
const WRITTEN: usize = 100;
/// How many characters before the caret are kept of a longer line.
const BEFORE: usize = 60;

/// Some characters of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters, at least 1; may go beyond the end of the line.
    pub width: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub at: Span,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The characters meant may be a secret, so they are shown nowhere.
    pub hidden: bool,
}

/// Everything that is wrong in a file: at least one [`Problem`], in the order of lines.
/// `Display` shows each with its place, its line and a caret.
#[derive(Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    source: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(super) fn new(file: &str, source: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.at.line, problem.at.column));
        list.dedup();
        Self { file: file.to_owned(), source: source.to_owned(), list }
    }

    /// The file's name as given.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Every problem.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// One sentence: how many problems which file has.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.list.len() {
            1 => format!("`{}` has a problem", self.file),
            count => format!("`{}` has {count} problems", self.file),
        }
    }

    /// A line of the file, as wide as it is there, with nothing in it that a terminal obeys or that may be secret.
    fn line(&self, number: usize) -> Option<Vec<char>> {
        let text = lines(&self.source).nth(number.checked_sub(1)?)?;
        let mut line: Vec<char> = hide_user_info(text).chars().map(visible).collect();
        for hidden in self.list.iter().filter(|problem| problem.hidden && problem.at.line == number) {
            line.iter_mut().skip(hidden.at.column - 1).take(hidden.at.width).for_each(|c| *c = '*');
        }
        Some(line)
    }

    fn snippet(&self, at: Span, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(line) = self.line(at.line).filter(|line| line.iter().any(|c| *c != ' ')) else { return Ok(()) };
        let start = if line.len() > SHOWN { (at.column - 1).saturating_sub(BEFORE) } else { 0 };
        let shown: String = line.iter().skip(start).take(SHOWN).collect();
        let before = (at.column - 1).saturating_sub(start).min(SHOWN);
        let width = at.width.clamp(1, (SHOWN - before).max(1)).min(line.len().saturating_sub(start + before).max(1));
        let number = at.line.to_string();
        writeln!(f, "  {number} | {}", shown.trim_end())?;
        writeln!(f, "  {:pad$} | {:before$}{}", "", "", "^".repeat(width), pad = number.len())
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem { at, message, hint, .. } in self.list.iter().take(WRITTEN) {
            writeln!(f, "{}:{}:{}: {}", self.file, at.line, at.column, one_line(message))?;
            self.snippet(*at, f)?;
            if let Some(hint) = hint {
                writeln!(f, "  hint: {}", one_line(hint))?;
            }
        }
        match self.list.len().saturating_sub(WRITTEN) {
            0 => Ok(()),
            more => writeln!(f, "{}: {more} more problems are not shown", self.file),
        }
    }
}

impl fmt::Debug for Problems {
    /// As `Display`: the source as such may hold what a snippet hides.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Problems {}

/// The lines of a text as YAML ends them (1.2.2, section 5.4): also at a carriage return alone.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        let more = !rest.is_empty();
        rest = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix(['\n', '\r'])).unwrap_or(tail);
        more.then_some(line)
    })
}

/// Stands for characters that a terminal would obey or not show: controls, and marks that change the direction of text.
fn visible(c: char) -> char {
    match c {
        '\t' => '→',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

fn one_line(text: &str) -> String {
    hide_user_info(text).trim_end().chars().map(visible).collect()
}

/// Puts `*` in place of what stands between `://` and `@`: people paste addresses with a password in them.
fn hide_user_info(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '`')).unwrap_or(after.len());
        let secret = after[..end].rfind('@').unwrap_or(0);
        shown.push_str(before);
        shown.extend(after[..secret].chars().map(|_| '*'));
        rest = &after[secret..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(source: &str, list: Vec<(usize, usize, usize, bool)>) -> String {
        let problem = |(line, column, width, hidden)| Problem {
            at: Span { line, column, width },
            message: "it is so".to_owned(),
            hint: Some("do that".to_owned()),
            hidden,
        };
        Problems::new("f.yml", source, list.into_iter().map(problem).collect()).to_string()
    }

    #[test]
    fn shows_place_line_and_caret() {
        assert_eq!(
            problems("a: b\nkey: wörd\n", vec![(2, 6, 4, false)]),
            "f.yml:2:6: it is so\n  2 | key: wörd\n    |      ^^^^\n  hint: do that\n"
        );
    }

    #[test]
    fn lines_end_where_yaml_ends_them() {
        assert_eq!(lines("a\r\nb\rc\n\nd").collect::<Vec<_>>(), ["a", "b", "c", "", "d"]);
        assert_eq!(lines("\r\r").count(), 2);
        assert_eq!(lines("").count(), 0);
    }

    #[test]
    fn a_caret_never_leaves_the_line() {
        let past_the_end = problems("ab\n", vec![(1, 9, 40, false), (7, 1, 1, false)]);
        assert_eq!(
            past_the_end,
            "f.yml:1:9: it is so\n  1 | ab\n    |         ^\n  hint: do that\nf.yml:7:1: it is so\n  hint: do that\n"
        );
        let long = format!("{}x{}", "a".repeat(500), "b".repeat(500));
        let shown = problems(&long, vec![(1, 501, 500, false)]);
        assert!(shown.lines().all(|line| line.chars().count() < 130), "{shown}");
        assert!(shown.contains(&format!("{}x{}\n", "a".repeat(60), "b".repeat(59))), "{shown}");
    }

    #[test]
    fn secrets_and_controls_do_not_reach_the_terminal() {
        let shown = problems(
            "url: https://me:hunter2@host/x \u{1b}[2J\u{202e}\nkey: hunter2\n",
            vec![(1, 1, 3, false), (2, 6, 7, true), (2, 1, 3, false)],
        );
        assert!(!shown.contains("hunter2") && !shown.contains('\u{1b}') && !shown.contains('\u{202e}'), "{shown}");
        assert!(shown.contains("https://**********@host/x") && shown.contains("key: *******"), "{shown}");
    }
}
