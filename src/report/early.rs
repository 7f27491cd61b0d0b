//! A run that ended before it knew what was to be deployed where: it touched nothing, and says why.

use super::comment::why;
use super::conclusion::Conclusion;
use super::outputs::{Output, list};
use super::story::Told;
use super::{Ending, Model, result};
use crate::domain::EnvName;
use crate::failure::Failure;
use crate::plan::render::{markdown_code, markdown_prose};

/// Such a run.
#[derive(Debug)]
pub struct Early<'a> {
    /// The environment, where that much was known.
    pub environment: Option<&'a EnvName>,
    /// A failure, or a sentence why there is nothing to do.
    pub why: Result<&'static str, &'a Failure>,
}

impl Early<'_> {
    /// What it came to.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        Conclusion::early(self.why.err())
    }

    /// Its outputs.
    #[must_use]
    pub fn outputs(&self) -> Vec<Output> {
        let ending = Ending { changed: false, nothing_to_do: false, failure: self.why.err() };
        let environment = self.environment.map(ToString::to_string).unwrap_or_default();
        list(environment, &self.conclusion(), "", "", &result(&Model::default(), &ending))
    }

    /// Its section of the job summary.
    #[must_use]
    pub fn summary(&self) -> String {
        let to = self.environment.map(|name| format!(" for {}", markdown_code(name.as_str()))).unwrap_or_default();
        let (headline, text) = match self.why {
            Ok(sentence) => (format!("⏭️ Nothing done{to}"), format!("\n{}\n", markdown_prose(sentence))),
            Err(failure) => (format!("❌ Nothing was touched{to}"), why(&Told::of(failure))),
        };
        format!("### {headline}\n{text}\n<sub>Result: {}.</sub>\n", markdown_code(&self.conclusion().sentence()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn it_says_why_in_all_places() {
        let failure = Failure::new(Reason::Usage, "the inputs have a problem\n  `x`: <no>")
            .because(std::io::Error::other("of @somebody"))
            .hint("change it");
        let environment = "staging".parse().unwrap();
        let mut all = String::new();
        for early in [
            Early { environment: None, why: Ok("the pull request is closed") },
            Early { environment: Some(&environment), why: Err(&failure) },
        ] {
            let outputs: Vec<String> = early.outputs().iter().map(|(name, value)| format!("{name}={value}")).collect();
            all.push_str(&format!("{}--- outputs\n{}\n===\n", early.summary(), outputs.join("\n")));
        }
        insta::assert_snapshot!(all);
    }
}
