//! Deployment configurations: how traffic moves.

use serde_json::{Value, json};

use crate::aws::input::text;
use crate::aws::request::AwsFault;
use crate::aws::world::{EPOCH, World};

/// How traffic moves from the old version to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// All of it at once.
    AllAtOnce,
    /// A part first, the rest some minutes later.
    Canary {
        /// The first part, in per cent.
        percent: u32,
        /// The minutes between.
        minutes: u32,
    },
    /// Equal parts, some minutes apart.
    Linear {
        /// One part, in per cent.
        percent: u32,
        /// The minutes between.
        minutes: u32,
    },
}

impl Shift {
    /// The moments, in seconds from the beginning, each with the share that the new version then has.
    pub(crate) fn steps(self) -> Vec<(u64, u32)> {
        match self {
            Self::AllAtOnce => vec![(0, 100)],
            Self::Canary { percent, minutes } => vec![(0, percent), (u64::from(minutes) * 60, 100)],
            Self::Linear { percent, minutes } => {
                let count = 100_u32.div_ceil(percent.max(1));
                (1..=count).map(|at| (u64::from((at - 1) * minutes) * 60, (at * percent).min(100))).collect()
            }
        }
    }

    /// The name of the configuration for it: AWS's own, or one made for it.
    pub(crate) fn config_name(self) -> String {
        let own = defaults().into_iter().find(|config| config.shift == Some(self));
        own.map_or_else(
            || match self {
                Self::AllAtOnce => "badgery-all-at-once".to_owned(),
                Self::Canary { percent, minutes } => format!("badgery-canary-{percent}-percent-{minutes}-minutes"),
                Self::Linear { percent, minutes } => format!("badgery-linear-{percent}-percent-{minutes}-minutes"),
            },
            |config| config.name,
        )
    }
}

/// A configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    pub(crate) name: String,
    /// None where it is for servers.
    pub(crate) shift: Option<Shift>,
}

/// AWS's own configurations: the five for ECS, and two for servers, which do not fit a service of ECS.
pub(crate) fn defaults() -> Vec<Config> {
    let canary = |minutes| Some(Shift::Canary { percent: 10, minutes });
    let linear = |minutes| Some(Shift::Linear { percent: 10, minutes });
    let known = [
        ("ECSAllAtOnce", Some(Shift::AllAtOnce)),
        ("ECSCanary10Percent5Minutes", canary(5)),
        ("ECSCanary10Percent15Minutes", canary(15)),
        ("ECSLinear10PercentEvery1Minutes", linear(1)),
        ("ECSLinear10PercentEvery3Minutes", linear(3)),
        ("OneAtATime", None),
        ("AllAtOnce", None),
    ];
    known.into_iter().map(|(name, shift)| Config { name: format!("CodeDeployDefault.{name}"), shift }).collect()
}

/// A configuration by its name.
pub(crate) fn find<'a>(world: &'a World, name: &str) -> Result<&'a Config, AwsFault> {
    world.codedeploy.configs.iter().find(|known| known.name == name).ok_or_else(|| {
        let message = format!("No Deployment Configuration found for name: {name}");
        AwsFault::new("DeploymentConfigDoesNotExistException", message)
    })
}

pub(crate) fn describe(world: &World, input: &Value) -> Result<Value, AwsFault> {
    let name = text(input, "deploymentConfigName");
    let name = name.ok_or_else(|| {
        AwsFault::new("DeploymentConfigNameRequiredException", "Deployment configuration name is required")
    })?;
    let config = find(world, name)?;
    let mut shown = json!({
        "deploymentConfigId": "00000000-0000-0000-0000-000000000000",
        "deploymentConfigName": config.name,
        "createTime": EPOCH - 86_400 * 365,
        "computePlatform": if config.shift.is_some() { "ECS" } else { "Server" },
    });
    match config.shift {
        Some(shift) => shown["trafficRoutingConfig"] = routing(shift),
        None => shown["minimumHealthyHosts"] = json!({"type": "HOST_COUNT", "value": 0}),
    }
    Ok(json!({"deploymentConfigInfo": shown}))
}

fn routing(shift: Shift) -> Value {
    match shift {
        Shift::AllAtOnce => json!({"type": "AllAtOnce"}),
        Shift::Canary { percent, minutes } => json!({
            "type": "TimeBasedCanary",
            "timeBasedCanary": {"canaryPercentage": percent, "canaryInterval": minutes},
        }),
        Shift::Linear { percent, minutes } => json!({
            "type": "TimeBasedLinear",
            "timeBasedLinear": {"linearPercentage": percent, "linearInterval": minutes},
        }),
    }
}

pub(crate) fn list(world: &World) -> Value {
    json!({"deploymentConfigsList": world.codedeploy.configs.iter().map(|known| &known.name).collect::<Vec<_>>()})
}
