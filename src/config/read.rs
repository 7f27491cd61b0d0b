//! From tree to [`Config`].

use super::Config;
use crate::yaml::{Problem, Problems};

/// Reads a `deploy.yml`. `file_name` is only shown.
///
/// # Errors
/// Every problem of the file, in the order of lines.
pub fn parse(file_name: &str, text: &str) -> Result<Config, Problems> {
    Err(Problems::new(
        file_name,
        text,
        vec![Problem {
            line: 1,
            column: 1,
            width: 1,
            message: "the file is not read yet".to_owned(),
            hint: None,
            hidden: false,
        }],
    ))
}
