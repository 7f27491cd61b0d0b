//! What is wrong in a file, and how that is shown.

use std::error::Error;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// How many characters are meant, at least 1.
    pub width: usize,
    /// One sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The characters meant may be a secret: they are shown nowhere.
    pub hidden: bool,
}

/// Everything that is wrong in a file: at least one [`Problem`], in the order of lines.
/// `Display` shows each with its place, the line and a caret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    file: String,
    source: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(file: &str, source: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.line, problem.column));
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
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(f, "{}:{}:{}: {}", self.file, problem.line, problem.column, problem.message)?;
        }
        Ok(())
    }
}

impl Error for Problems {}
