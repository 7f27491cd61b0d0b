//! AWS Secrets Manager and the Parameter Store: whether something is there. No value is ever read.

use serde_json::json;

use super::Aws;
use super::error::{AwsError, Trouble};

/// Most pages of a list that are asked for.
const PAGES: u32 = 20;

impl Aws {
    /// Whether there is a secret of this name or ARN, which is not about to be deleted.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn has_secret(&self, secret: &str) -> Result<bool, AwsError> {
        match self.clients().secrets.ask("secretsmanager:DescribeSecret", &json!({"SecretId": secret})).await {
            Ok(answer) => Ok(answer["DeletedDate"].is_null()),
            Err(error) if error.is("ResourceNotFoundException") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is a parameter of this name or ARN.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn has_parameter(&self, parameter: &str) -> Result<bool, AwsError> {
        // The filter knows names only: of an ARN the name is what follows `parameter`.
        let name = parameter.split_once(":parameter").map_or(parameter, |(_, name)| name);
        let filter = json!({"Key": "Name", "Option": "Equals", "Values": [name, name.trim_start_matches('/')]});
        let mut input = json!({"ParameterFilters": [filter]});
        // A page may be empty before the last one (Systems Manager API, `DescribeParameters`).
        for _ in 0..PAGES {
            let answer = self.clients().parameters.ask("ssm:DescribeParameters", &input).await?;
            if answer["Parameters"].as_array().is_some_and(|found| !found.is_empty()) {
                return Ok(true);
            }
            match answer["NextToken"].as_str() {
                Some(next) => input["NextToken"] = next.into(),
                None => return Ok(false),
            }
        }
        Err(AwsError {
            call: "ssm:DescribeParameters",
            trouble: Trouble::Failing,
            code: None,
            message: format!("the list of parameters did not end within {PAGES} pages"),
        })
    }
}
