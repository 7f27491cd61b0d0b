//! The AppSpec that CodeDeploy works from: made from the service, so nobody has to keep one, or read from a file.

mod file;

use serde_json::{Map, Value, json};

use super::{EcsObserved, Found, blockers};
use crate::agent_api::Blocker;
use crate::aws_api::ecs::Service;
use crate::config::EcsTarget;
use crate::domain::TaskDefinitionArn;

/// An AppSpec in which only the revision is left open. What is left out of network, platform and capacity is the service's
/// own (CodeDeploy user guide, AppSpec `resources` for ECS).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppSpec {
    /// The container that gets the traffic.
    pub container: String,
    /// Its port.
    pub port: u64,
    /// The version of Fargate.
    pub platform_version: Option<String>,
    /// Where the tasks' network interfaces are.
    pub network: Option<Network>,
    /// What the tasks run on.
    pub capacity: Vec<Capacity>,
    /// Lambda functions by the event at which they decide.
    pub hooks: Vec<(&'static str, String)>,
}

/// `AwsvpcConfiguration`, which is whole or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Ids of subnets.
    pub subnets: Vec<String>,
    /// Ids of security groups.
    pub security_groups: Vec<String>,
    /// `ENABLED` or `DISABLED`.
    pub assign_public_ip: String,
}

/// One line of `CapacityProviderStrategy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// The provider's name.
    pub provider: String,
    /// Tasks that it gets first.
    pub base: Option<u64>,
    /// Its part of the others.
    pub weight: Option<u64>,
}

impl AppSpec {
    /// The one that a deployment of this document uses, or all that is wrong with it.
    pub(super) fn chosen(
        target: &EcsTarget,
        observed: &EcsObserved,
        service: &Service,
        document: Option<&Value>,
    ) -> Result<Self, Vec<Blocker>> {
        let (Some(path), Some(found)) = (&target.code_deploy.app_spec, &observed.files.app_spec) else {
            return Self::of(service).ok_or_else(|| vec![blockers::no_load_balancer(target)]);
        };
        let path = path.display().to_string();
        match found {
            Found::Text(text) => file::read(&path, text, document),
            Found::Unreadable(why) => Err(vec![blockers::missing_file("app_spec_invalid", "app_spec", &path, why)]),
        }
    }

    /// From the service's load balancer; `None` where it has none.
    pub(super) fn of(service: &Service) -> Option<Self> {
        let sets = service.task_sets.iter().flat_map(|set| &set.load_balancers);
        let mut balancers = service.load_balancers.iter().chain(sets);
        balancers.find_map(|it| {
            Some(Self { container: it.container_name.clone()?, port: it.container_port?, ..Self::default() })
        })
    }

    /// The text for a revision.
    #[must_use]
    pub fn text(&self, task_definition: &TaskDefinitionArn) -> String {
        let mut properties = Map::new();
        let mut put = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        put("TaskDefinition", task_definition.as_str().into());
        put("LoadBalancerInfo", json!({"ContainerName": self.container, "ContainerPort": self.port}));
        if let Some(version) = &self.platform_version {
            put("PlatformVersion", version.as_str().into());
        }
        if let Some(network) = &self.network {
            put(
                "NetworkConfiguration",
                json!({"AwsvpcConfiguration": {
                    "Subnets": network.subnets,
                    "SecurityGroups": network.security_groups,
                    "AssignPublicIp": network.assign_public_ip,
                }}),
            );
        }
        if !self.capacity.is_empty() {
            put("CapacityProviderStrategy", self.capacity.iter().map(Capacity::json).collect());
        }
        let service = json!({"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}});
        let mut top = json!({"version": 0.0, "Resources": [service]});
        if !self.hooks.is_empty() {
            top["Hooks"] = self.hooks.iter().map(|(event, function)| json!({*event: function})).collect();
        }
        top.to_string()
    }
}

impl Capacity {
    fn json(&self) -> Value {
        let mut line = json!({"CapacityProvider": self.provider});
        for (name, number) in [("Base", self.base), ("Weight", self.weight)] {
            if let Some(number) = number {
                line[name] = number.into();
            }
        }
        line
    }
}
