//! Load balancers: what they think of their targets.

use serde_json::json;

use super::Aws;
use super::documents::{list, text};
use super::error::AwsError;

/// What a target group thinks of one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetHealth {
    /// Address and port.
    pub target: String,
    /// `healthy`, `unhealthy`, `initial` and others.
    pub state: String,
    /// For example `Target.ResponseCodeMismatch`.
    pub reason: Option<String>,
    /// The load balancer's words.
    pub description: Option<String>,
}

/// What a target group asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthCheck {
    /// Its name.
    pub group: String,
    /// `HTTP`, `HTTPS`, `TCP` and others.
    pub protocol: String,
    /// Port, or `traffic-port`.
    pub port: String,
    /// Path, where it is asked by HTTP.
    pub path: Option<String>,
    /// Statuses that count as healthy.
    pub matcher: Option<String>,
}

impl Aws {
    /// What a target group thinks of its targets.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn target_health(&self, group: &str) -> Result<Vec<TargetHealth>, AwsError> {
        let input = json!({"TargetGroupArn": group});
        let answer = self.clients().elb.ask("elasticloadbalancing:DescribeTargetHealth", &input).await?;
        let all = list(&answer["TargetHealthDescriptions"]).iter().map(|found| {
            let (target, health) = (&found["Target"], &found["TargetHealth"]);
            let port = text(&target["Port"]).map(|port| format!(":{port}")).unwrap_or_default();
            TargetHealth {
                target: format!("{}{port}", text(&target["Id"]).unwrap_or_default()),
                state: text(&health["State"]).unwrap_or_default(),
                reason: text(&health["Reason"]),
                description: text(&health["Description"]),
            }
        });
        Ok(all.collect())
    }

    /// What a target group asks for; `None` where there is none of that name.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn health_check(&self, group: &str) -> Result<Option<HealthCheck>, AwsError> {
        let input = json!({"TargetGroupArns": [group]});
        let answer = self.clients().elb.ask("elasticloadbalancing:DescribeTargetGroups", &input).await?;
        Ok(list(&answer["TargetGroups"]).first().map(|found| HealthCheck {
            group: text(&found["TargetGroupName"]).unwrap_or_default(),
            protocol: text(&found["HealthCheckProtocol"]).unwrap_or_default(),
            port: text(&found["HealthCheckPort"]).unwrap_or_default(),
            path: text(&found["HealthCheckPath"]),
            matcher: text(&found["Matcher"]["HttpCode"]),
        }))
    }
}
