//! Builders about the service itself and the ways in which ECS deploys it.

use serde_json::{Value, json};

use super::{Breaker, Strategy};
use crate::aws::ecs::{Launch, Service, fleet, native};
use crate::aws::names;
use crate::aws::world::World;

impl World {
    /// Its tasks run on instances.
    #[must_use]
    pub fn ec2(mut self) -> Self {
        for task in &mut self.ecs.tasks {
            task.launch = Launch::Ec2.name();
        }
        for definition in &mut self.ecs.definitions {
            definition.body["requiresCompatibilities"] = json!(["EC2"]);
            definition.body["compatibilities"] = json!(["EC2"]);
        }
        self.alter(|service| {
            service.launch = Launch::Ec2;
            for name in ["platformVersion", "platformFamily"] {
                service.members.as_object_mut().map(|members| members.remove(name));
            }
        });
        self
    }

    /// It has so many tasks.
    #[must_use]
    pub fn desired(mut self, count: u64) -> Self {
        let ids: Vec<String> = self.ecs.fleets.iter().map(|fleet| fleet.id.clone()).collect();
        self.alter(|service| service.desired = count);
        self.long_ago(|world| ids.iter().for_each(|id| fleet::resize(world, id, count)));
        self
    }

    /// ECS deploys it by rolling, with this circuit breaker.
    #[must_use]
    pub fn rolling(mut self, breaker: Breaker) -> Self {
        let (enable, rollback) = (breaker != Breaker::Off, breaker == Breaker::Rollback);
        self.configure("strategy", json!("ROLLING"));
        self.configure("deploymentCircuitBreaker", json!({"enable": enable, "rollback": rollback}));
        self
    }

    /// ECS deploys it with this strategy, with its circuit breaker and rollback on, and no bake time.
    #[must_use]
    pub fn native(mut self, strategy: Strategy) -> Self {
        let name = match strategy {
            Strategy::BlueGreen => "BLUE_GREEN",
            Strategy::Linear => "LINEAR",
            Strategy::Canary => "CANARY",
        };
        self.configure("strategy", json!(name));
        self.configure("bakeTimeInMinutes", json!(0));
        self.configure("deploymentCircuitBreaker", json!({"enable": true, "rollback": true}));
        let mut advanced = json!({
            "alternateTargetGroupArn": names::target_group(&format!("{}-green", self.balancer.name)),
            "productionListenerRule": self.balancer.rule(80),
            "roleArn": names::role("ecsInfrastructureRole"),
        });
        if self.balancer.has_test() {
            advanced["testListenerRule"] = json!(self.balancer.rule(9001));
        }
        self.alter(|service| {
            service.members["loadBalancers"][0]["advancedConfiguration"] = advanced;
            for rollout in &mut service.rollouts {
                rollout.native = true;
            }
        });
        let service = self.ecs.services.first().and_then(|service| service.rollouts.first());
        let fleet = service.map(|rollout| rollout.id.clone()).unwrap_or_default();
        native::first_revision(&mut self, 0, &fleet);
        self
    }

    /// The steps of the strategy: so many per cent of the traffic, and the minutes after each.
    #[must_use]
    pub fn step(mut self, percent: u32, minutes: u32) -> Self {
        let share = f64::from(percent);
        self.configure("linearConfiguration", json!({"stepPercent": share, "stepBakeTimeInMinutes": minutes}));
        self.configure("canaryConfiguration", json!({"canaryPercent": share, "canaryBakeTimeInMinutes": minutes}));
        self
    }

    /// The minutes that the old tasks stay after the traffic has moved.
    #[must_use]
    pub fn bake(mut self, minutes: u32) -> Self {
        self.configure("bakeTimeInMinutes", json!(minutes));
        self
    }

    /// A person has to answer at this stage, e.g. `POST_TEST_TRAFFIC_SHIFT`; after so many minutes the deployment
    /// does `CONTINUE` or `ROLLBACK`.
    #[must_use]
    pub fn pause(mut self, stage: &str, minutes: u32, then: &str) -> Self {
        let hook = json!({
            "targetType": "PAUSE",
            "lifecycleStages": [stage],
            "timeoutConfiguration": {"timeoutInMinutes": minutes, "action": then},
        });
        self.alter(|service| {
            let hooks = &mut service.configuration["lifecycleHooks"];
            match hooks.as_array_mut() {
                Some(hooks) => hooks.push(hook),
                None => *hooks = json!([hook]),
            }
        });
        self
    }

    /// The circuit breaker's threshold, e.g. `COUNT` and 5.
    #[must_use]
    pub fn threshold(mut self, kind: &str, value: u64) -> Self {
        self.alter(|service| {
            let breaker = &mut service.configuration["deploymentCircuitBreaker"];
            breaker["thresholdConfiguration"] = json!({"type": kind, "value": value});
        });
        self
    }

    /// Replaces a member of the service's deployment configuration.
    pub(crate) fn configure(&mut self, name: &str, member: Value) {
        self.alter(|service| service.configuration[name] = member);
    }

    /// Changes the service.
    pub(crate) fn alter(&mut self, change: impl FnOnce(&mut Service)) {
        if let Some(service) = self.ecs.services.first_mut() {
            change(service);
        }
    }
}
