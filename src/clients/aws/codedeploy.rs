//! AWS CodeDeploy. Its answers are read member by member (API reference of CodeDeploy 2014-10-06): what is missing counts
//! as nothing.

use serde_json::{Value, json};

use super::Aws;
use super::documents::{list, text};
use super::error::{AwsError, Trouble};
use crate::aws_api::codedeploy::{Configuration, Deployment, Group, LifecycleEvent, SetInfo, Shift, Target};
use crate::domain::{CodeDeployName, TaskDefinitionArn};

/// What a deployment is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeployment<'a> {
    /// The application.
    pub application: &'a CodeDeployName,
    /// The group.
    pub group: &'a CodeDeployName,
    /// The AppSpec, as it is sent.
    pub app_spec: &'a str,
    /// The SHA-256 of its bytes, in lower-case hex.
    pub sha256: &'a str,
    /// The deployment configuration, where it is not the group's.
    pub config: Option<&'a str>,
    /// At most 256 characters.
    pub description: &'a str,
}

/// Statuses of deployments that are not over.
const ACTIVE: [&str; 5] = ["Created", "Queued", "InProgress", "Baking", "Ready"];

impl Aws {
    /// The deployment group.
    ///
    /// # Errors
    /// The call did not succeed; `DeploymentGroupDoesNotExistException` or `ApplicationDoesNotExistException` where there is none.
    pub async fn deployment_group(
        &self,
        application: &CodeDeployName,
        group: &CodeDeployName,
    ) -> Result<Group, AwsError> {
        let input = json!({"applicationName": application.as_str(), "deploymentGroupName": group.as_str()});
        let answer = self.clients().codedeploy.ask("codedeploy:GetDeploymentGroup", &input).await?;
        Ok(of_group(&answer["deploymentGroupInfo"]))
    }

    /// What a deployment configuration says about a service of ECS.
    ///
    /// # Errors
    /// The call did not succeed; that there is none of that name is an answer.
    pub async fn deployment_config(&self, name: &str) -> Result<Configuration, AwsError> {
        let input = json!({"deploymentConfigName": name});
        let answer = match self.clients().codedeploy.ask("codedeploy:GetDeploymentConfig", &input).await {
            Err(error) if error.is("DeploymentConfigDoesNotExistException") => return Ok(Configuration::Missing),
            answer => answer?,
        };
        let info = &answer["deploymentConfigInfo"];
        Ok(match text(&info["computePlatform"]) {
            Some(other) if other != "ECS" => Configuration::Foreign(other),
            _ => Configuration::Shift(of_routing(&info["trafficRoutingConfig"])),
        })
    }

    /// The ids of the group's deployments that are not over.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn active_deployments(
        &self,
        application: &CodeDeployName,
        group: &CodeDeployName,
    ) -> Result<Vec<String>, AwsError> {
        self.deployments_of(application, group, Some(&ACTIVE)).await
    }

    /// The ids of the group's newest deployments, over or not.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn recent_deployments(
        &self,
        application: &CodeDeployName,
        group: &CodeDeployName,
    ) -> Result<Vec<String>, AwsError> {
        self.deployments_of(application, group, None).await
    }

    async fn deployments_of(
        &self,
        application: &CodeDeployName,
        group: &CodeDeployName,
        statuses: Option<&[&str]>,
    ) -> Result<Vec<String>, AwsError> {
        let mut input = json!({"applicationName": application.as_str(), "deploymentGroupName": group.as_str()});
        if let Some(statuses) = statuses {
            input["includeOnlyStatuses"] = statuses.into();
        }
        let answer = self.clients().codedeploy.ask("codedeploy:ListDeployments", &input).await?;
        Ok(list(&answer["deployments"]).iter().filter_map(text).collect())
    }

    /// Begins a deployment and gives its id. Sent once: after a lost answer nobody knows whether there is one.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn create_deployment(&self, new: &NewDeployment<'_>) -> Result<String, AwsError> {
        const CALL: &str = "codedeploy:CreateDeployment";
        let mut input = json!({
            "applicationName": new.application.as_str(),
            "deploymentGroupName": new.group.as_str(),
            "description": new.description,
            "revision": {
                "revisionType": "AppSpecContent",
                "appSpecContent": {"content": new.app_spec, "sha256": new.sha256},
            },
        });
        if let Some(config) = new.config {
            input["deploymentConfigName"] = config.into();
        }
        let answer = self.clients().codedeploy.ask_once(CALL, &input).await?;
        text(&answer["deploymentId"]).ok_or_else(|| AwsError {
            call: CALL,
            trouble: Trouble::Lost,
            code: None,
            message: "the answer holds no deployment id".to_owned(),
        })
    }

    /// A deployment.
    ///
    /// # Errors
    /// The call did not succeed; `DeploymentDoesNotExistException` also for one that is too young.
    pub async fn deployment(&self, id: &str) -> Result<Deployment, AwsError> {
        let input = json!({"deploymentId": id});
        let answer = self.clients().codedeploy.ask("codedeploy:GetDeployment", &input).await?;
        Ok(of_deployment(&answer["deploymentInfo"]))
    }

    /// The revision that a deployment deploys, as an AppSpec of ours names it.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn deployed_revision(&self, deployment: &Deployment) -> Result<Option<TaskDefinitionArn>, AwsError> {
        let Some(sha256) = &deployment.app_spec_sha256 else { return Ok(None) };
        let revision = json!({"revisionType": "AppSpecContent", "appSpecContent": {"sha256": sha256}});
        let input = json!({"applicationName": deployment.application_name, "revision": revision});
        let answer = self.clients().codedeploy.ask("codedeploy:GetApplicationRevision", &input).await?;
        let text = answer["revision"]["appSpecContent"]["content"].as_str().unwrap_or_default();
        let spec: Value = serde_json::from_str(text).unwrap_or_default();
        let named = spec.pointer("/Resources/0/TargetService/Properties/TaskDefinition").and_then(Value::as_str);
        Ok(named.and_then(|name| name.parse().ok()))
    }

    /// What a deployment does to the service; `None` while it has not begun.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn deployment_target(&self, id: &str, target: &str) -> Result<Option<Target>, AwsError> {
        let input = json!({"deploymentId": id, "targetId": target});
        match self.clients().codedeploy.ask("codedeploy:GetDeploymentTarget", &input).await {
            Ok(answer) => Ok(of_target(&answer["deploymentTarget"]["ecsTarget"])),
            Err(error) if is_too_young(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends a deployment; with `roll_back` its traffic goes back.
    ///
    /// # Errors
    /// The call did not succeed; `DeploymentAlreadyCompletedException` where it is over.
    pub async fn stop_deployment(&self, id: &str, roll_back: bool) -> Result<(), AwsError> {
        let input = json!({"deploymentId": id, "autoRollbackEnabled": roll_back});
        self.clients().codedeploy.ask("codedeploy:StopDeployment", &input).await.map(drop)
    }

    /// Ends the wait for the old tasks' removal.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn end_termination_wait(&self, id: &str) -> Result<(), AwsError> {
        self.go_on(id, "TERMINATION_WAIT").await
    }

    /// Ends the wait for the traffic to be shifted.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn end_ready_wait(&self, id: &str) -> Result<(), AwsError> {
        self.go_on(id, "READY_WAIT").await
    }

    async fn go_on(&self, id: &str, wait: &str) -> Result<(), AwsError> {
        let input = json!({"deploymentId": id, "deploymentWaitType": wait});
        self.clients().codedeploy.ask("codedeploy:ContinueDeployment", &input).await.map(drop)
    }
}

/// A deployment whose target is not known yet.
fn is_too_young(error: &AwsError) -> bool {
    ["DeploymentNotStartedException", "DeploymentTargetDoesNotExistException"].iter().any(|code| error.is(code))
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn of_group(info: &Value) -> Group {
    let word = |value: &Value| text(value).unwrap_or_default();
    let options = &info["blueGreenDeploymentConfiguration"];
    let (ready, ended) = (&options["deploymentReadyOption"], &options["terminateBlueInstancesOnDeploymentSuccess"]);
    // Both are kept where they are switched off.
    let enabled = |configuration: &Value, member: &str| match configuration["enabled"] {
        Value::Bool(true) => list(&configuration[member]).to_vec(),
        _ => Vec::new(),
    };
    Group {
        compute_platform: word(&info["computePlatform"]),
        ecs_services: list(&info["ecsServices"])
            .iter()
            .map(|pair| (word(&pair["clusterName"]), word(&pair["serviceName"])))
            .collect(),
        deployment_config_name: word(&info["deploymentConfigName"]),
        action_on_timeout: text(&ready["actionOnTimeout"]),
        ready_wait_minutes: count(&ready["waitTimeInMinutes"]),
        termination_wait_minutes: count(&ended["terminationWaitTimeInMinutes"]),
        auto_rollback_events: enabled(&info["autoRollbackConfiguration"], "events").iter().filter_map(text).collect(),
        alarms: enabled(&info["alarmConfiguration"], "alarms").iter().filter_map(|it| text(&it["name"])).collect(),
        test_listener: list(&info["loadBalancerInfo"]["targetGroupPairInfoList"])
            .iter()
            .any(|pair| !pair["testTrafficRoute"].is_null()),
        last_attempted: {
            let last = &info["lastAttemptedDeployment"];
            text(&last["deploymentId"]).zip(text(&last["status"]))
        },
        last_successful: text(&info["lastSuccessfulDeployment"]["deploymentId"]),
    }
}

fn of_routing(routing: &Value) -> Shift {
    let (canary, linear) = (&routing["timeBasedCanary"], &routing["timeBasedLinear"]);
    match routing["type"].as_str() {
        Some("TimeBasedCanary") if canary.is_object() => {
            Shift::Canary { percent: count(&canary["canaryPercentage"]), minutes: count(&canary["canaryInterval"]) }
        }
        Some("TimeBasedLinear") if linear.is_object() => {
            Shift::Linear { percent: count(&linear["linearPercentage"]), minutes: count(&linear["linearInterval"]) }
        }
        _ => Shift::AllAtOnce,
    }
}

fn of_deployment(info: &Value) -> Deployment {
    let (error, rollback) = (&info["errorInformation"], &info["rollbackInfo"]);
    Deployment {
        deployment_id: text(&info["deploymentId"]).unwrap_or_default(),
        status: text(&info["status"]).unwrap_or_default(),
        description: text(&info["description"]),
        creator: text(&info["creator"]),
        error_code: text(&error["code"]),
        error_message: text(&error["message"]),
        rollback_deployment: text(&rollback["rollbackDeploymentId"]),
        rolls_back: text(&rollback["rollbackTriggeringDeploymentId"]),
        rollback_message: text(&rollback["rollbackMessage"]),
        terminating: info["instanceTerminationWaitTimeStarted"] == true,
        application_name: text(&info["applicationName"]).unwrap_or_default(),
        app_spec_sha256: text(&info["revision"]["appSpecContent"]["sha256"]),
    }
}

fn of_target(target: &Value) -> Option<Target> {
    if !target.is_object() {
        return None;
    }
    let events = list(&target["lifecycleEvents"]).iter().map(|event| {
        let told = |name: &str| text(&event["diagnostics"][name]);
        LifecycleEvent {
            name: text(&event["lifecycleEventName"]).unwrap_or_default(),
            status: text(&event["status"]).unwrap_or_default(),
            error_code: told("errorCode"),
            script: told("scriptName"),
            message: told("message"),
            log_tail: told("logTail"),
        }
    });
    let sets = list(&target["taskSetsInfo"]).iter().map(|set| SetInfo {
        // The model's own spelling.
        identifier: text(&set["identifer"]).unwrap_or_default(),
        label: text(&set["taskSetLabel"]),
        status: text(&set["status"]).unwrap_or_default(),
        weight: set["trafficWeight"].as_f64().unwrap_or_default(),
        desired: count(&set["desiredCount"]),
        pending: count(&set["pendingCount"]),
        running: count(&set["runningCount"]),
        target_group: text(&set["targetGroup"]["name"]),
    });
    Some(Target { status: text(&target["status"]).unwrap_or_default(), events: events.collect(), sets: sets.collect() })
}
