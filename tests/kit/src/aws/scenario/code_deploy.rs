//! Builders about CodeDeploy.

use serde_json::{Value, json};

use crate::aws::codedeploy::{self, Application, Config, Group, Phase, Shift, revision};
use crate::aws::ecs::{Controller, TaskSet, register};
use crate::aws::names;
use crate::aws::world::World;

/// How far a deployment that is already there is followed until it is where it should be, in seconds.
const FOLLOWED: u64 = 200_000;

impl World {
    /// CodeDeploy deploys the service and moves its traffic like this. The application and the group have the names
    /// that AWS's own tools guess, e.g. `AppECS-badgery-web` and `DgpECS-badgery-web`.
    #[must_use]
    pub fn code_deploy(mut self, shift: Shift) -> Self {
        let config = shift.config_name();
        if !self.codedeploy.configs.iter().any(|known| known.name == config) {
            self.codedeploy.configs.push(Config { name: config.clone(), shift: Some(shift) });
        }
        let names =
            (format!("AppECS-{}-{}", self.cluster, self.service), format!("DgpECS-{}-{}", self.cluster, self.service));
        self.add_group(&names.0, &names.1, &config, "ECS");
        self.alter(|service| {
            service.controller = Controller::CodeDeploy;
            if let Some(members) = service.configuration.as_object_mut() {
                members.retain(|name, _| name.ends_with("Percent"));
            }
            let Some(rollout) = service.rollouts.pop() else { return };
            service.task_sets.push(TaskSet {
                id: rollout.id,
                deployment: "d-AAAAAAAAA".to_owned(),
                status: "PRIMARY",
                definition: rollout.definition,
                target_group: service.target_group.clone().unwrap_or_default(),
                weight: 100,
                created: rollout.created,
                updated: rollout.created,
            });
        });
        let id = self.ecs.services.first().and_then(|service| service.primary()).map(|set| set.id.clone());
        for task in &mut self.ecs.tasks {
            task.started_by.clone_from(&id);
        }
        self.apply_alarm();
        self
    }

    /// There is a test listener, and so there are the events `AllowTestTraffic` and `AfterAllowTestTraffic`.
    #[must_use]
    pub fn test_listener(mut self) -> Self {
        self.balancer.add_test();
        let rule = self.balancer.rule(9001);
        self.alter(|service| {
            // Only ECS's own strategies have one.
            let advanced = service.members.pointer_mut("/loadBalancers/0/advancedConfiguration");
            if let Some(advanced) = advanced {
                advanced["testListenerRule"] = json!(rule);
            }
        });
        self
    }

    /// The minutes that the old tasks stay after the traffic has moved; 5 where nothing is said.
    #[must_use]
    pub fn termination_wait(mut self, minutes: u64) -> Self {
        self.each_group(|group| group.termination_wait = minutes);
        self
    }

    /// The traffic moves only when somebody lets it, within so many minutes.
    #[must_use]
    pub fn ready_wait(mut self, minutes: u64) -> Self {
        self.each_group(|group| group.ready_wait = Some(minutes));
        self
    }

    /// Whether failures, alarms and stops are undone; they are not where nothing is said.
    #[must_use]
    pub fn auto_rollback(mut self, enabled: bool) -> Self {
        let events = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"];
        let events: Vec<String> = events.into_iter().filter(|_| enabled).map(ToOwned::to_owned).collect();
        self.each_group(|group| group.auto_rollback.clone_from(&events));
        self
    }

    /// Only these events are undone, e.g. `DEPLOYMENT_STOP_ON_ALARM`.
    #[must_use]
    pub fn rollback_events(mut self, events: &[&str]) -> Self {
        let events: Vec<String> = events.iter().map(|event| (*event).to_owned()).collect();
        self.each_group(|group| group.auto_rollback.clone_from(&events));
        self
    }

    /// How long CodeDeploy waits for the new tasks, in seconds; an hour where nothing is said.
    #[must_use]
    pub fn install_limit(mut self, seconds: u64) -> Self {
        self.install_limit = seconds;
        self
    }

    /// There is also the application `AppServer` with the group `DgpServer`, which is for servers.
    #[must_use]
    pub fn server_group(mut self) -> Self {
        self.add_group("AppServer", "DgpServer", "CodeDeployDefault.OneAtATime", "Server");
        self
    }

    /// Somebody else's deployment is already there: `Created`, `Queued`, in the event of this name, `Ready` or in its
    /// `TerminationWait`. Its task definition is revision 2 of the service's family, which runs well. To be said after
    /// everything else about the group.
    #[must_use]
    pub fn active_deployment(mut self, at: &'static str) -> Self {
        let (definition, container) = (self.another_revision(), self.service.clone());
        let mut content = json!({
            "version": 0.0,
            "Resources": [{"TargetService": {
                "Type": "AWS::ECS::Service",
                "Properties": {
                    "TaskDefinition": definition,
                    "LoadBalancerInfo": {"ContainerName": container, "ContainerPort": 8080},
                },
            }}],
        });
        // An event without a function is over as it begins.
        let has_function = !matches!(at, "Install" | "AllowTestTraffic" | "AllowTraffic");
        if has_function && (at.starts_with("Before") || at.starts_with("After")) {
            content["Hooks"] = json!([{at: "check"}]);
        }
        let group = self.codedeploy.groups.first().map(|group| (group.application.clone(), group.name.clone()));
        let (application, group) = group.unwrap_or_default();
        let input = json!({
            "applicationName": application,
            "deploymentGroupName": group,
            "revision": {"revisionType": "AppSpecContent", "appSpecContent": {"content": content.to_string()}},
        });
        // It is nobody's call and no fault is about it, as far as it has come.
        let faults = std::mem::take(&mut self.faults);
        let _ = codedeploy::call(&mut self, "CreateDeployment", &input);
        self.follow_to(at);
        self.faults = faults;
        self
    }

    /// Somebody stopped a deployment of theirs while its traffic shifted, and another one undoes it. To be said after
    /// everything else about the group.
    #[must_use]
    pub fn active_rollback(self) -> Self {
        let mut world = self.active_deployment("AllowTraffic");
        let id = world.codedeploy.deployments.last().map(|one| one.id.clone());
        let faults = std::mem::take(&mut world.faults);
        let input = json!({"deploymentId": id, "autoRollbackEnabled": true});
        let _ = codedeploy::call(&mut world, "StopDeployment", &input);
        world.follow_to("Undoing");
        world.faults = faults;
        world
    }

    /// Lets time pass until the newest deployment is where it should be.
    fn follow_to(&mut self, at: &str) {
        let end = self.now + FOLLOWED;
        while self.now < end && !self.is_at(at) {
            self.advance(1);
        }
    }

    fn is_at(&self, at: &str) -> bool {
        self.codedeploy.deployments.last().is_some_and(|one| match one.phase {
            Phase::Event(number) => one.events[number].name == at,
            phase => format!("{phase:?}") == at,
        })
    }

    /// Registers another revision that runs well.
    fn another_revision(&mut self) -> String {
        let first = self.ecs.definitions.first().map(|known| (known.body.clone(), known.tags.clone()));
        let (mut body, tags) = first.unwrap_or_default();
        body["tags"] = tags;
        register::add(self, &body, false).arn()
    }

    fn add_group(&mut self, application: &str, name: &str, config: &str, platform: &'static str) {
        let (cluster, service) = (self.cluster.clone(), self.service.clone());
        let created = self.now - 86_400;
        let id = self.ids.uuid();
        self.codedeploy.applications.push(Application { name: application.to_owned(), id, platform, created });
        let id = self.ids.uuid();
        self.codedeploy.groups.push(Group {
            application: application.to_owned(),
            name: name.to_owned(),
            id,
            config: config.to_owned(),
            platform,
            revision: revision(&names::definition(&service, 1), &service, 8080),
            cluster,
            service,
            termination_wait: 5,
            ready_wait: None,
            auto_rollback: Vec::new(),
            alarms: Vec::new(),
        });
    }

    pub(super) fn each_group(&mut self, change: impl FnMut(&mut Group)) {
        self.codedeploy.groups.iter_mut().for_each(change);
    }

    /// The `revision` of a `CreateDeployment` that asks for this task definition.
    #[must_use]
    pub fn revision(definition: &str, container: &str, port: u64) -> Value {
        revision(definition, container, port)
    }
}
