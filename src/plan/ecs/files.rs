//! The files of the repository that a target names.

use std::fmt::Display;
use std::path::Path;

use serde::Deserialize;

use crate::config::EcsTarget;

/// A file that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// Its text.
    Text(String),
    /// Why it cannot be read, for the end of a sentence.
    Unreadable(String),
}

impl Found {
    /// The text, where it was read.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unreadable(_) => None,
        }
    }
}

/// All of them; each is absent where the target names none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Files {
    /// The task definition.
    pub task_definition: Option<Found>,
    /// The AppSpec.
    pub app_spec: Option<Found>,
}

impl Files {
    /// Those that the target names, as `read` finds them.
    pub fn of<E: Display>(target: &EcsTarget, read: impl Fn(&Path) -> Result<String, E>) -> Self {
        let found = |path: &std::path::PathBuf| match read(path) {
            Ok(text) => Found::Text(text),
            Err(error) => Found::Unreadable(error.to_string()),
        };
        Self {
            task_definition: target.task_definition.as_ref().map(found),
            app_spec: target.code_deploy.app_spec.as_ref().map(found),
        }
    }
}
