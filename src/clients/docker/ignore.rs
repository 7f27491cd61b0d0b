//! Docker's `.dockerignore` rules: which files of a folder are not part of its build context.
//!
//! The rules are those of the engine's own matcher, its oddities included: the last pattern that matches decides, `!`
//! takes files back in, `**` crosses folders, a pattern that matches a folder matches what is in it.

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is not a pattern: {why}")]
pub struct IgnoreError {
    /// Line, from 1.
    pub line: usize,
    text: String,
    why: &'static str,
}

/// The patterns of one file.
#[derive(Debug, Clone, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone)]
struct Rule {
    takes_back: bool,
    pattern: String,
    glob: Vec<Token>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    NotSlash,
    /// `*`
    Star,
    /// `**/`: any number of whole folders.
    Folders,
    /// `**` where nothing follows, or before plain text at the start.
    Anything,
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Ignore {
    /// Reads a `.dockerignore`.
    ///
    /// # Errors
    /// A pattern is malformed.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let mut rules = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let bad = |why| IgnoreError { line: number + 1, text: line.chars().take(100).collect(), why };
            let (takes_back, pattern) = match line.trim().strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line.trim()),
            };
            if pattern.is_empty() {
                return Err(bad("`!` needs a pattern after it"));
            }
            let pattern = clean(pattern);
            if pattern != "." {
                let glob = tokens(&pattern).map_err(bad)?;
                rules.push(Rule { takes_back, pattern, glob });
            }
        }
        Ok(Self { rules })
    }

    /// True where the path, relative to the context with `/` between its parts, is left out.
    #[must_use]
    pub fn ignores(&self, path: &str) -> bool {
        let path: Vec<char> = path.chars().collect();
        let mut ignored = false;
        for rule in &self.rules {
            // Only a rule that would change the answer has to be looked at.
            if rule.takes_back == ignored && matches(&rule.glob, &path) {
                ignored = !rule.takes_back;
            }
        }
        ignored
    }

    /// True where an ignored folder is looked into, because a `!` pattern names something in it. As in the engine, the
    /// pattern has to begin with the folder's own path: `!**/x` opens no ignored folder.
    #[must_use]
    pub fn opens(&self, folder: &str) -> bool {
        self.rules.iter().any(|rule| {
            rule.takes_back
                && rule.pattern.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// As Go's `filepath.Clean`, then without a leading slash.
pub(super) fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if !path.starts_with('/') && parts.last().is_none_or(|last| *last == "..") => parts.push(part),
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut out = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(match c {
            '*' if rest.next_if_eq(&'*').is_some() => {
                let whole = rest.next_if_eq(&'/').is_some();
                let plain = !rest.clone().any(|c| "*?[\\".contains(c));
                // `**x` at the very start, without other wildcards, is "ends with x" to the engine.
                if rest.peek().is_none() || (out.is_empty() && !whole && plain) {
                    Token::Anything
                } else {
                    Token::Folders
                }
            }
            '*' => Token::Star,
            '?' => Token::NotSlash,
            '\\' => Token::Char(rest.next().ok_or("nothing follows `\\`")?),
            '[' => class(&mut rest)?,
            c => Token::Char(c),
        });
    }
    Ok(out)
}

fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, &'static str> {
    const OPEN: &str = "`[` is not closed";
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = match rest.next() {
            Some(']') if !ranges.is_empty() => return Ok(Token::Class { negated, ranges }),
            Some('\\') => rest.next().ok_or(OPEN)?,
            Some(c) if c != ']' && c != '-' => c,
            Some(_) => return Err("`]` and `-` need a `\\` before them there"),
            None => return Err(OPEN),
        };
        let mut high = low;
        if rest.next_if_eq(&'-').is_some() {
            high = match rest.next() {
                Some('\\') => rest.next().ok_or(OPEN)?,
                Some(c) if c != ']' && c != '-' => c,
                _ => return Err("a range needs both of its ends"),
            };
        }
        ranges.push((low, high));
    }
}

/// True where the path or a folder that it is in matches. Walks all ways to match side by side: `at[i]` is true where the
/// first `i` tokens match the text so far.
fn matches(glob: &[Token], text: &[char]) -> bool {
    let skip = |at: &mut [bool]| {
        for (i, token) in glob.iter().enumerate() {
            if at[i] && matches!(token, Token::Star | Token::Folders | Token::Anything) {
                at[i + 1] = true;
            }
        }
    };
    let mut at = vec![false; glob.len() + 1];
    // `**/` has begun and not yet met its slash; it cannot be left in between.
    let mut inside = vec![false; glob.len() + 1];
    at[0] = true;
    skip(&mut at);
    for (position, c) in text.iter().enumerate() {
        if *c == '/' && position > 0 && at[glob.len()] {
            return true;
        }
        let mut next = vec![false; glob.len() + 1];
        for (i, token) in glob.iter().enumerate() {
            match token {
                Token::Folders => {
                    inside[i] |= at[i];
                    next[i + 1] |= inside[i] && *c == '/';
                }
                _ if !at[i] => {}
                Token::Star => next[i] |= *c != '/',
                Token::Anything => next[i] = true,
                Token::Char(expected) => next[i + 1] |= c == expected,
                Token::NotSlash => next[i + 1] |= *c != '/',
                Token::Class { negated, ranges } => {
                    next[i + 1] |= ranges.iter().any(|(low, high)| (low..=high).contains(&c)) != *negated;
                }
            }
        }
        skip(&mut next);
        at = next;
    }
    at[glob.len()]
}

#[cfg(test)]
mod tests;
