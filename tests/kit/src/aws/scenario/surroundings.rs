//! Builders about what goes wrong and what lies around the service.

use serde_json::json;

use super::defaults::add_service;
use crate::aws::ecs::Controller;
use crate::aws::fault::Fault;
use crate::aws::names;
use crate::aws::registry::{Image, Repository};
use crate::aws::world::World;

/// The alarm of the service.
const ALARM: &str = "web-errors";

impl World {
    /// This goes wrong, and what it needs is there: an alarm that fires is configured, a function of the test traffic
    /// brings the test listener with it, and a service that is scaled has a scalable target.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        let needs_test = match fault {
            Fault::HookFails(event) | Fault::HookSilent(event) | Fault::ConsoleStop(event) => {
                event.contains("TestTraffic")
            }
            _ => false,
        };
        if fault == Fault::ScalingMidShift && self.suspended().is_none() {
            self = self.scaled(1, 8);
        }
        self.faults.push(fault);
        if needs_test && !self.balancer.has_test() {
            self = self.test_listener();
        }
        self.apply_alarm();
        self
    }

    /// An alarm is configured, which fires only by a [`Fault::AlarmAt`].
    #[must_use]
    pub fn alarm(mut self) -> Self {
        self.configure_alarm();
        self
    }

    /// One poll moves the clock so far, in seconds.
    #[must_use]
    pub fn tick(mut self, seconds: u64) -> Self {
        self.tick = seconds;
        self
    }

    /// Assumed keys are good for so long at most, in seconds of the wall clock.
    #[must_use]
    pub fn session_seconds(mut self, seconds: u64) -> Self {
        self.session_seconds = seconds;
        self
    }

    /// What each task of a new task definition writes to its log.
    #[must_use]
    pub fn log_lines(mut self, lines: &[&str]) -> Self {
        self.logs.of_new_tasks = lines.iter().map(|line| (*line).to_owned()).collect();
        self
    }

    /// The lines of one more log stream.
    #[must_use]
    pub fn log_stream(mut self, group: &str, stream: &str, lines: &[&str]) -> Self {
        let lines = lines.iter().map(|line| (*line).to_owned()).collect();
        self.logs.streams.insert((group.to_owned(), stream.to_owned()), lines);
        self
    }

    /// The service is scaled between two numbers of tasks.
    #[must_use]
    pub fn scaled(mut self, least: u64, most: u64) -> Self {
        let (cluster, service, now) = (self.cluster.clone(), self.service.clone(), self.now);
        self.scaling.add(&cluster, &service, least, most, now);
        self
    }

    /// The registry is at this host, which may have a port, e.g. one of the test bed at `127.0.0.1:5000`, and is
    /// reached by HTTP. Images of task definitions that were there before keep their names.
    #[must_use]
    pub fn registry(mut self, host: &str) -> Self {
        host.clone_into(&mut self.registry.host);
        "http".clone_into(&mut self.registry.scheme);
        self
    }

    /// Secrets Manager has this secret, by its ARN.
    #[must_use]
    pub fn secret(mut self, arn: &str) -> Self {
        self.secrets.secrets.insert(arn.to_owned());
        self
    }

    /// The Parameter Store has this parameter.
    #[must_use]
    pub fn parameter(mut self, name: &str) -> Self {
        self.secrets.parameters.insert(name.to_owned());
        self
    }

    /// IAM has a role of this name with this path, and no other of that name.
    #[must_use]
    pub fn role(mut self, name: &str, path: &str) -> Self {
        self.roles.insert(name.to_owned(), path.to_owned());
        self
    }

    /// IAM has no role of this name.
    #[must_use]
    pub fn no_role(mut self, name: &str) -> Self {
        self.roles.remove(name);
        self
    }

    /// The registry has this repository, with nothing in it. `immutable`: whether a tag stays with its image.
    #[must_use]
    pub fn repository(mut self, name: &str, immutable: bool) -> Self {
        let repository = Repository { immutable, ..Repository::new(name, self.now) };
        self.registry.repositories.push(repository);
        self
    }

    /// The registry has this image.
    #[must_use]
    pub fn image(mut self, repository: &str, digest: &str, tags: &[&str]) -> Self {
        let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
        let image = Image { digest: digest.to_owned(), tags };
        let created = self.now;
        match self.registry.repositories.iter_mut().find(|known| known.name == repository) {
            Some(known) => known.images.push(image),
            None => {
                let images = vec![image];
                self.registry.repositories.push(Repository { images, ..Repository::new(repository, created) });
            }
        }
        self
    }

    /// The cluster has one more service, of the same task definition and without a load balancer, which ECS deploys
    /// by rolling.
    #[must_use]
    pub fn other_service(mut self, name: &str) -> Self {
        let definition = names::definition(&self.service, 1);
        self.long_ago(|world| add_service(world, name, None, &definition));
        self
    }

    /// Configures the alarm where one is to fire.
    pub(super) fn apply_alarm(&mut self) {
        if self.faults.iter().any(|fault| matches!(fault, Fault::AlarmAt(_))) {
            self.configure_alarm();
        }
    }

    fn configure_alarm(&mut self) {
        self.each_group(|group| group.alarms = vec![ALARM.to_owned()]);
        self.alter(|service| {
            if service.controller == Controller::Ecs {
                service.configuration["alarms"] = json!({"alarmNames": [ALARM], "enable": true, "rollback": true});
            }
        });
    }
}
