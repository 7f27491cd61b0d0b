//! AWS IAM: whether a role is there.

use serde_json::json;

use super::Aws;
use super::error::AwsError;

impl Aws {
    /// Whether there is a role of this ARN, or of this name.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn has_role(&self, role: &str) -> Result<bool, AwsError> {
        // IAM asks for the name alone, which is what follows an ARN's last slash.
        let name = role.rsplit('/').next().unwrap_or(role);
        match self.clients().iam.ask("iam:GetRole", &json!({"RoleName": name})).await {
            // One of the same name may have another path.
            Ok(answer) => Ok(role == name || answer["Role"]["Arn"] == role),
            // The latter for what can be no name.
            Err(error) if error.is("NoSuchEntity") || error.is("ValidationError") => Ok(false),
            Err(error) => Err(error),
        }
    }
}
