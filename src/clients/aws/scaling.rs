//! Application Auto Scaling of a service of ECS: what of it stands still, and what did before somebody held it.

use serde_json::{Value, json};

use super::Aws;
use super::error::AwsError;
use crate::domain::EcsName;

/// The tag of a scalable target that says what stood still before a run held it, and which run: three words of `on` and
/// `off`, and the run's key.
const TAG: &str = "deploy-action:scaling-before";

/// What of scaling stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspended {
    /// Fewer tasks.
    pub scale_in: bool,
    /// More tasks.
    pub scale_out: bool,
    /// What a schedule says.
    pub scheduled: bool,
}

/// What scales a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScalableTarget {
    /// Its whole name.
    pub arn: String,
    /// What stands still now.
    pub suspended: Suspended,
}

/// What is noted of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What stood still before.
    pub before: Suspended,
    /// The key of the run that holds it.
    pub key: String,
}

impl Hold {
    fn text(&self) -> String {
        format!("{} {}", self.before.text(), self.key)
    }

    fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.splitn(4, ' ').collect();
        let [scale_in, scale_out, scheduled, key] = words.as_slice() else { return None };
        let on = |word: &str| word == "on";
        let before = Suspended { scale_in: on(scale_in), scale_out: on(scale_out), scheduled: on(scheduled) };
        Some(Self { before, key: (*key).to_owned() })
    }
}

impl Suspended {
    /// Everything.
    pub const ALL: Self = Self { scale_in: true, scale_out: true, scheduled: true };

    /// Whether any part stands still.
    #[must_use]
    pub fn is_anything(self) -> bool {
        self.scale_in || self.scale_out || self.scheduled
    }

    /// As the API has it.
    #[must_use]
    pub fn document(self) -> Value {
        json!({
            "DynamicScalingInSuspended": self.scale_in,
            "DynamicScalingOutSuspended": self.scale_out,
            "ScheduledScalingSuspended": self.scheduled,
        })
    }

    fn of(document: &Value) -> Self {
        let is = |name: &str| document[name] == true;
        Self {
            scale_in: is("DynamicScalingInSuspended"),
            scale_out: is("DynamicScalingOutSuspended"),
            scheduled: is("ScheduledScalingSuspended"),
        }
    }

    fn text(self) -> String {
        [self.scale_in, self.scale_out, self.scheduled].map(|on| if on { "on" } else { "off" }).join(" ")
    }
}

fn resource(cluster: &EcsName, service: &EcsName) -> String {
    format!("service/{cluster}/{service}")
}

impl Aws {
    /// What scales the service; `None` where nothing does.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn scalable_target(
        &self,
        cluster: &EcsName,
        service: &EcsName,
    ) -> Result<Option<ScalableTarget>, AwsError> {
        let input = json!({
            "ServiceNamespace": "ecs",
            "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceIds": [resource(cluster, service)],
        });
        let answer = self.clients().scaling.ask("application-autoscaling:DescribeScalableTargets", &input).await?;
        let found = answer["ScalableTargets"].as_array().and_then(|all| all.first());
        Ok(found.map(|found| ScalableTarget {
            arn: found["ScalableTargetARN"].as_str().unwrap_or_default().to_owned(),
            suspended: Suspended::of(&found["SuspendedState"]),
        }))
    }

    /// Lets parts of the service's scaling stand still, and the others go on.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn suspend_scaling(
        &self,
        cluster: &EcsName,
        service: &EcsName,
        suspended: Suspended,
    ) -> Result<(), AwsError> {
        let input = json!({
            "ServiceNamespace": "ecs",
            "ScalableDimension": "ecs:service:DesiredCount",
            "ResourceId": resource(cluster, service),
            "SuspendedState": suspended.document(),
        });
        self.clients().scaling.ask("application-autoscaling:RegisterScalableTarget", &input).await.map(drop)
    }

    /// The hold that is noted at a target; `None` where no run holds it.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn scaling_hold(&self, arn: &str) -> Result<Option<Hold>, AwsError> {
        let call = "application-autoscaling:ListTagsForResource";
        let answer = self.clients().scaling.ask(call, &json!({"ResourceARN": arn})).await?;
        Ok(answer["Tags"][TAG].as_str().and_then(Hold::read))
    }

    /// Notes a hold at the target, or takes the note away.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn note_scaling(&self, arn: &str, hold: Option<&Hold>) -> Result<(), AwsError> {
        let clients = self.clients();
        let (call, input) = match hold {
            Some(hold) => {
                ("application-autoscaling:TagResource", json!({"ResourceARN": arn, "Tags": {TAG: hold.text()}}))
            }
            None => ("application-autoscaling:UntagResource", json!({"ResourceARN": arn, "TagKeys": [TAG]})),
        };
        clients.scaling.ask(call, &input).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        for (scale_in, scale_out, scheduled) in [(false, false, false), (true, false, false), (false, true, true)] {
            let before = Suspended { scale_in, scale_out, scheduled };
            assert_eq!(Suspended::of(&before.document()), before);
            let hold = Hold { before, key: "run:1:web".to_owned() };
            assert_eq!(Hold::read(&hold.text()), Some(hold));
        }
        assert_eq!(Hold::read("on off"), None);
    }
}
