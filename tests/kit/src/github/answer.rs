//! An answer before it is written.

use serde_json::Value;

/// A status, headers and a text.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body: body.to_string() }
    }

    /// GitHub's form of a refusal.
    pub(super) fn refused(status: u16, message: &str) -> Self {
        Self::json(
            status,
            &serde_json::json!({"message": message, "documentation_url": "https://docs.github.com/rest"}),
        )
    }

    /// Its status, and its text as it will be read.
    pub(super) fn document(&self) -> (u16, Value) {
        (self.status, serde_json::from_str(&self.body).unwrap_or(Value::Null))
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}
