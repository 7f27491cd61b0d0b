//! CloudWatch Logs: the last words of a container, and whether a group is there.

use serde_json::json;

use super::Aws;
use super::documents::list;
use super::error::AwsError;

impl Aws {
    /// The newest lines of a stream, oldest first.
    ///
    /// # Errors
    /// The call did not succeed; `ResourceNotFoundException` where the container wrote nothing.
    pub async fn last_log_lines(&self, group: &str, stream: &str, count: u16) -> Result<Vec<String>, AwsError> {
        let input = json!({"logGroupName": group, "logStreamName": stream, "limit": count, "startFromHead": false});
        let answer = self.clients().logs.ask("logs:GetLogEvents", &input).await?;
        Ok(list(&answer["events"]).iter().filter_map(|event| event["message"].as_str().map(str::to_owned)).collect())
    }

    /// Whether there is a log group of that name.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn has_log_group(&self, name: &str) -> Result<bool, AwsError> {
        // In the order of names, so the name itself comes before those that it begins.
        let input = json!({"logGroupNamePrefix": name, "limit": 1});
        let answer = self.clients().logs.ask("logs:DescribeLogGroups", &input).await?;
        Ok(answer["logGroups"][0]["logGroupName"] == name)
    }
}
