//! One call as the heart of the simulator sees it, whatever the wire, and a refusal.

use serde_json::Value;

/// A service of AWS that the simulator answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// Elastic Container Service.
    Ecs,
    /// CodeDeploy.
    CodeDeploy,
    /// Elastic Load Balancing, version 2.
    LoadBalancing,
    /// Application Auto Scaling.
    AutoScaling,
    /// CloudWatch Logs.
    Logs,
    /// Elastic Container Registry.
    Ecr,
    /// Security Token Service.
    Sts,
    /// Secrets Manager.
    SecretsManager,
    /// The Parameter Store.
    Parameters,
    /// Identity and Access Management.
    Iam,
}

/// The services that speak JSON, each with the prefix of its `X-Amz-Target`.
const TARGETS: [(&str, Service); 7] = [
    ("AmazonEC2ContainerServiceV20141113", Service::Ecs),
    ("CodeDeploy_20141006", Service::CodeDeploy),
    ("AnyScaleFrontendService", Service::AutoScaling),
    ("Logs_20140328", Service::Logs),
    ("AmazonEC2ContainerRegistry_V20150921", Service::Ecr),
    ("secretsmanager", Service::SecretsManager),
    ("AmazonSSM", Service::Parameters),
];

impl Service {
    /// Its name as the service models are filed, e.g. `elbv2`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::CodeDeploy => "codedeploy",
            Self::LoadBalancing => "elbv2",
            Self::AutoScaling => "application-autoscaling",
            Self::Logs => "logs",
            Self::Ecr => "ecr",
            Self::Sts => "sts",
            Self::SecretsManager => "secretsmanager",
            Self::Parameters => "ssm",
            Self::Iam => "iam",
        }
    }

    /// Its name in a policy, e.g. the `elasticloadbalancing` of `elasticloadbalancing:DescribeRules`.
    pub(crate) const fn policy_name(self) -> &'static str {
        match self {
            Self::LoadBalancing => "elasticloadbalancing",
            other => other.name(),
        }
    }

    /// Whether it speaks the query wire, whose common errors have names and statuses of their own.
    pub(crate) const fn speaks_query(self) -> bool {
        matches!(self, Self::LoadBalancing | Self::Sts | Self::Iam)
    }

    /// The service that an `X-Amz-Target` prefix belongs to.
    pub(crate) fn of_target(prefix: &str) -> Option<Self> {
        TARGETS.iter().find(|(known, _)| *known == prefix).map(|(_, service)| *service)
    }
}

/// A call.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Whom it is for.
    pub service: Service,
    /// The operation's name, e.g. `DescribeServices`.
    pub operation: String,
    /// Its input as the service model has it.
    pub input: Value,
    /// The access key id that signed it; none where it came unsigned.
    pub access_key: Option<String>,
}

impl Request {
    /// A call that came unsigned.
    #[must_use]
    pub fn new(service: Service, operation: &str, input: Value) -> Self {
        Self { service, operation: operation.to_owned(), input, access_key: None }
    }

    /// The same call, signed with this key.
    #[must_use]
    pub fn signed(self, access_key: &str) -> Self {
        Self { access_key: Some(access_key.to_owned()), ..self }
    }

    /// Its name as a policy has it, e.g. `ecs:UpdateService`.
    pub(crate) fn action(&self) -> String {
        format!("{}:{}", self.service.policy_name(), self.operation)
    }

    /// Whether it changes anything at AWS; issuing credentials does not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let reads = ["Get", "List", "Describe", "BatchGet", "Assume"];
        !reads.iter().any(|prefix| self.operation.starts_with(prefix))
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsFault {
    /// The error's code, e.g. `ClientException`.
    pub code: String,
    /// What it says.
    pub message: String,
    /// The HTTP status; 0 where the connection closes without an answer.
    pub status: u16,
}

impl AwsFault {
    /// A refusal that is the caller's doing: status 400.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// The same refusal with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// No refusal at all: the effect happened and the connection closes.
    pub(crate) fn lost_reply() -> Self {
        Self::new("LostReply", "The connection closes without an answer.").with_status(0)
    }

    /// An operation that the simulator or the service does not have.
    pub(crate) fn unknown_operation() -> Self {
        Self::new("UnknownOperationException", "The operation is not known.")
    }
}
