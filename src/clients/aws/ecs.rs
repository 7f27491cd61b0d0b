//! Amazon ECS.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Aws;
use super::error::{AwsError, Trouble};
use super::raw::{Answer, Document, OnlyIfRefused};
use crate::aws_api::ecs::{Service, ServiceDeployment, Task, TaskDefinition};
use crate::domain::{EcsName, TaskDefinitionArn};

impl Aws {
    /// The service; `None` where the cluster has none of that name. AWS shows one that was deleted for a while more.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn service(&self, cluster: &EcsName, service: &EcsName) -> Result<Option<Service>, AwsError> {
        const CALL: &str = "ecs:DescribeServices";
        let answer = Answer::default();
        let call = self.clients().ecs.describe_services().cluster(cluster.as_str()).services(service.as_str());
        call.customize().interceptor(answer.clone()).send().await.map_err(|error| AwsError::of(CALL, error))?;
        let mut answer = answer.take();
        let all: Vec<Service> = read(CALL, answer["services"].take())?;
        Ok(all.into_iter().find(|found| found.service_name == service.as_str()))
    }

    /// A revision, by its ARN or by `family:revision`; the newest active one for a family.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn task_definition(&self, name: &str) -> Result<TaskDefinition, AwsError> {
        const CALL: &str = "ecs:DescribeTaskDefinition";
        let answer = Answer::default();
        let include = aws_sdk_ecs::types::TaskDefinitionField::Tags;
        let call = self.clients().ecs.describe_task_definition().task_definition(name).include(include);
        call.customize().interceptor(answer.clone()).send().await.map_err(|error| AwsError::of(CALL, error))?;
        revision(CALL, answer.take())
    }

    /// The newest active revisions of a family, newest first.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn revisions(&self, family: &str, at_most: i32) -> Result<Vec<TaskDefinitionArn>, AwsError> {
        let call = self.clients().ecs.list_task_definitions().family_prefix(family).max_results(at_most);
        let call = call.sort(aws_sdk_ecs::types::SortOrder::Desc);
        let answer = call.send().await.map_err(|error| AwsError::of("ecs:ListTaskDefinitions", error))?;
        let names = answer.task_definition_arns.unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Adds tags to a revision, or changes their values.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn tag(&self, revision: &TaskDefinitionArn, tags: Vec<(String, String)>) -> Result<(), AwsError> {
        let mut call = self.clients().ecs.tag_resource().resource_arn(revision.as_str());
        for (key, value) in tags {
            call = call.tags(aws_sdk_ecs::types::Tag::builder().key(key).value(value).build());
        }
        call.send().await.map(|_| ()).map_err(|error| AwsError::of("ecs:TagResource", error))
    }

    /// Registers a revision. Sent once: after a lost answer nobody knows whether there is one more.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn register(&self, document: &Value) -> Result<TaskDefinition, AwsError> {
        const CALL: &str = "ecs:RegisterTaskDefinition";
        let answer = Answer::default();
        self.clients()
            .ecs
            .register_task_definition()
            .customize()
            .interceptor(Document(document.to_string().into_bytes()))
            .interceptor(answer.clone())
            .config_override(aws_sdk_ecs::config::Builder::new().retry_classifier(OnlyIfRefused))
            .send()
            .await
            .map_err(|error| AwsError::of(CALL, error))?;
        revision(CALL, answer.take())
    }

    /// Lets a service run a revision. Sent once: what it began shows in the service.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn update_service(
        &self,
        cluster: &EcsName,
        service: &EcsName,
        task_definition: &TaskDefinitionArn,
    ) -> Result<Service, AwsError> {
        const CALL: &str = "ecs:UpdateService";
        let answer = Answer::default();
        let call = self.clients().ecs.update_service().cluster(cluster.as_str()).service(service.as_str());
        call.task_definition(task_definition.as_str())
            .customize()
            .interceptor(answer.clone())
            .config_override(aws_sdk_ecs::config::Builder::new().retry_classifier(OnlyIfRefused))
            .send()
            .await
            .map_err(|error| AwsError::of(CALL, error))?;
        read(CALL, answer.take()["service"].take())
    }

    /// A deployment that shifts traffic; `None` where ECS does not show it yet.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn service_deployment(&self, arn: &str) -> Result<Option<ServiceDeployment>, AwsError> {
        const CALL: &str = "ecs:DescribeServiceDeployments";
        let answer = Answer::default();
        let call = self.clients().ecs.describe_service_deployments().service_deployment_arns(arn);
        call.customize().interceptor(answer.clone()).send().await.map_err(|error| AwsError::of(CALL, error))?;
        let all: Vec<ServiceDeployment> = read(CALL, answer.take()["serviceDeployments"].take())?;
        Ok(all.into_iter().find(|found| found.service_deployment_arn == arn))
    }

    /// The task definition of a service revision, which is one side of such a deployment.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn task_definition_of_revision(&self, arn: &str) -> Result<Option<TaskDefinitionArn>, AwsError> {
        let call = self.clients().ecs.describe_service_revisions().service_revision_arns(arn);
        let answer = call.send().await.map_err(|error| AwsError::of("ecs:DescribeServiceRevisions", error))?;
        let found = answer.service_revisions.unwrap_or_default().into_iter().next();
        Ok(found.and_then(|revision| revision.task_definition).and_then(|name| name.parse().ok()))
    }

    /// Ends a deployment that shifts traffic; its traffic goes back.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn stop_service_deployment(&self, arn: &str) -> Result<(), AwsError> {
        let call = self.clients().ecs.stop_service_deployment().service_deployment_arn(arn);
        let call = call.stop_type(aws_sdk_ecs::types::StopServiceDeploymentStopType::Rollback);
        call.send().await.map(|_| ()).map_err(|error| AwsError::of("ecs:StopServiceDeployment", error))
    }

    /// Answers a hook that pauses such a deployment: it goes on, or its traffic goes back.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn answer_hook(&self, arn: &str, hook: &str, go_on: bool) -> Result<(), AwsError> {
        use aws_sdk_ecs::types::DeploymentLifecycleHookAction::{Continue, Rollback};
        let call = self.clients().ecs.continue_service_deployment().service_deployment_arn(arn).hook_id(hook);
        let call = call.action(if go_on { Continue } else { Rollback });
        call.send().await.map(|_| ()).map_err(|error| AwsError::of("ecs:ContinueServiceDeployment", error))
    }

    /// The newest stopped tasks of a service, at most 100. ECS forgets them after about an hour.
    ///
    /// # Errors
    /// A call did not succeed.
    pub async fn stopped_tasks(&self, cluster: &EcsName, service: &EcsName) -> Result<Vec<Task>, AwsError> {
        let call = self.clients().ecs.list_tasks().cluster(cluster.as_str()).service_name(service.as_str());
        let call = call.desired_status(aws_sdk_ecs::types::DesiredStatus::Stopped);
        let answer = call.send().await.map_err(|error| AwsError::of("ecs:ListTasks", error))?;
        let arns = answer.task_arns.unwrap_or_default();
        if arns.is_empty() {
            return Ok(Vec::new());
        }
        self.tasks(cluster, arns).await
    }

    /// ARNs of the tasks of a cluster that are to run and that somebody started under this name, at most 100.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn tasks_started_by(&self, cluster: &EcsName, name: &str) -> Result<Vec<String>, AwsError> {
        let call = self.clients().ecs.list_tasks().cluster(cluster.as_str()).started_by(name);
        let answer = call.send().await.map_err(|error| AwsError::of("ecs:ListTasks", error))?;
        Ok(answer.task_arns.unwrap_or_default())
    }

    /// Starts a task; or why ECS has no place for it. With a token in the document a second sending is the same task.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn run_task(&self, document: &Value) -> Result<Result<Task, String>, AwsError> {
        const CALL: &str = "ecs:RunTask";
        let answer = Answer::default();
        let call = self.clients().ecs.run_task().customize().interceptor(Document(document.to_string().into_bytes()));
        call.interceptor(answer.clone()).send().await.map_err(|error| AwsError::of(CALL, error))?;
        let mut answer = answer.take();
        let tasks: Vec<Task> = read(CALL, answer["tasks"].take())?;
        let why = answer["failures"][0]["reason"].as_str().unwrap_or("it gives no reason").to_owned();
        Ok(tasks.into_iter().next().ok_or(why))
    }

    /// Stops a task.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn stop_task(&self, cluster: &EcsName, arn: &str, why: &str) -> Result<(), AwsError> {
        let call = self.clients().ecs.stop_task().cluster(cluster.as_str()).task(arn).reason(why);
        call.send().await.map(|_| ()).map_err(|error| AwsError::of("ecs:StopTask", error))
    }

    /// Tasks by their ARNs, at most 100.
    ///
    /// # Errors
    /// The call did not succeed.
    pub async fn tasks(&self, cluster: &EcsName, arns: Vec<String>) -> Result<Vec<Task>, AwsError> {
        const CALL: &str = "ecs:DescribeTasks";
        let answer = Answer::default();
        let call = self.clients().ecs.describe_tasks().cluster(cluster.as_str()).set_tasks(Some(arns));
        call.customize().interceptor(answer.clone()).send().await.map_err(|error| AwsError::of(CALL, error))?;
        read(CALL, answer.take()["tasks"].take())
    }
}

fn revision(call: &'static str, mut answer: Value) -> Result<TaskDefinition, AwsError> {
    let definition = answer["taskDefinition"].take();
    let arn = definition["taskDefinitionArn"].as_str().unwrap_or_default();
    let arn: TaskDefinitionArn = arn.parse().map_err(|error| odd(call, &error))?;
    let tags = answer["tags"].as_array_mut().map(std::mem::take).unwrap_or_default();
    Ok(TaskDefinition { arn, definition, tags })
}

/// Lists that are missing are empty ones.
fn read<T: DeserializeOwned + Default>(call: &'static str, value: Value) -> Result<T, AwsError> {
    if value.is_null() {
        return Ok(T::default());
    }
    serde_json::from_value(value).map_err(|error| odd(call, &error))
}

fn odd(call: &'static str, error: &dyn std::error::Error) -> AwsError {
    AwsError { call, trouble: Trouble::Failing, code: None, message: format!("the answer cannot be read: {error}") }
}
