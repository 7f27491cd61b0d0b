//! Checks recorded calls against GitHub's own description of its API: path and parameters, what was sent, and what the
//! double answered, so that neither the program nor the double makes up an API of its own.

mod operation;
mod schema;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::Call;
use crate::bed::{BedError, Result};
use operation::Operation;

/// The one GraphQL query that is sent. GitHub publishes no JSON description of that API.
const QUERY: &str = "query { viewer { login } }";

/// GitHub's description of its REST API.
#[derive(Debug)]
pub struct Description {
    document: Value,
}

impl Description {
    /// Reads the file that `script/bootstrap` fetched, see `Machine::github_openapi`.
    ///
    /// # Errors
    /// It cannot be read, or describes nothing.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|error| BedError::file(path, &error))?;
        let document = serde_json::from_str::<Value>(&text).map_err(|error| BedError::new(error.to_string()))?;
        if !document["paths"].is_object() {
            return Err(BedError::new(format!("{}: no description of an API", path.display())));
        }
        Ok(Self { document })
    }

    /// What is wrong with these calls and their answers, a sentence each.
    #[must_use]
    pub fn problems(&self, calls: &[Call]) -> Vec<String> {
        let of_call = |call: &Call| {
            let problems = if call.path == "/graphql" { graphql(call) } else { self.rest(call) };
            problems.into_iter().map(|problem| format!("{} {}: {problem}", call.method, call.path)).collect::<Vec<_>>()
        };
        calls.iter().flat_map(of_call).collect()
    }

    fn rest(&self, call: &Call) -> Vec<String> {
        match Operation::of(&self.document, call) {
            Some(operation) => operation.problems(call),
            None => vec!["GitHub has no such operation".to_owned()],
        }
    }
}

fn graphql(call: &Call) -> Vec<String> {
    let known = call.method == "POST" && call.body == json!({"query": QUERY});
    if known { Vec::new() } else { vec![format!("not the one query that is known: {}", call.body)] }
}
