//! What was said: a call and its answer.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::aws::request::{AwsFault, Request};

/// A call and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// The service's name, as the service models are filed, e.g. `ecs`.
    pub service: String,
    /// The operation's name.
    pub operation: String,
    /// Its name in a policy, e.g. `ecs:UpdateService`.
    action: String,
    /// Its input.
    pub input: Value,
    /// Its output; none where it was refused or its answer was lost.
    pub output: Option<Value>,
    /// The refusal; with the status 0 the effect happened and the answer was lost.
    pub error: Option<AwsFault>,
    /// The virtual time at the answer.
    pub at: u64,
    /// The access key id that signed the call; none where it came unsigned.
    pub access_key: Option<String>,
    /// Whether the operation changes anything.
    pub is_write: bool,
}

impl Exchange {
    pub(super) fn new(request: &Request, outcome: &Result<Value, AwsFault>, at: u64) -> Self {
        Self {
            service: request.service.name().to_owned(),
            operation: request.operation.clone(),
            action: request.action(),
            input: request.input.clone(),
            output: outcome.as_ref().ok().cloned(),
            error: outcome.as_ref().err().cloned(),
            at,
            access_key: request.access_key.clone(),
            is_write: request.is_write(),
        }
    }

    /// The operation's name in a policy, e.g. `elasticloadbalancing:DescribeTargetHealth`.
    #[must_use]
    pub fn action(&self) -> String {
        self.action.clone()
    }

    /// Appends it to a file in one write, so that lines of several simulators do not mix. A test that needs the file
    /// finds out that it is not there.
    pub(super) fn append_to(&self, path: &Path) {
        let line = format!("{}\n", self.json());
        if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(path) {
            let _ = file.write_all(line.as_bytes());
        }
    }

    /// The exchange as its line in a log has it.
    #[must_use]
    pub fn json(&self) -> Value {
        let mut shown =
            json!({"service": self.service, "operation": self.operation, "input": self.input, "at": self.at});
        if let Some(output) = &self.output {
            shown["output"] = output.clone();
        }
        if let Some(error) = &self.error {
            shown["error"] = json!({"code": error.code, "status": error.status, "message": error.message});
        }
        shown
    }
}
