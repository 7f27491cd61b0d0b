//! What goes wrong: switches of a [`World`](super::World), each the failure that people meet.

/// A thing that goes wrong. Operations are named as a policy names them, e.g. `ecs:UpdateService`; events and stages
/// as the services name them, e.g. `AfterAllowTestTraffic` or `PRE_SCALE_UP`.
///
/// A new task definition is one that was registered through the API; those the world began with run well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Service tasks of a new task definition start and exit at once with this code. With 137 the container also
    /// names its lack of memory as the reason.
    Crash(i64),
    /// Tasks of a new task definition do not start: there is no such image.
    ImageMissing,
    /// Tasks of a new task definition do not start: a secret may not be read.
    SecretDenied,
    /// Tasks of a new task definition run, but the load balancer gets this status from them and they are replaced.
    TargetAnswers(u16),
    /// Tasks of a new task definition run, but the load balancer gets no answer from them and they are replaced.
    TargetTimesOut,
    /// No instance has room for a task of a new task definition; none is created, an event says so.
    NoRoom,
    /// Tasks of a new task definition stay pending for ever.
    NeverStable,
    /// One-off tasks of any definition exit with this code.
    OneOffExits(i64),
    /// One-off tasks of any definition stay pending for ever.
    OneOffHangs,

    /// The function behind this event or stage says that it failed. The event counts as having a function, whether
    /// or not the AppSpec or the service names one.
    HookFails(&'static str),
    /// The function behind this event or stage never answers, until its hour is over. The event counts as having one.
    HookSilent(&'static str),
    /// The alarm fires as soon as the new version has this share of the traffic, in per cent; 0 is from the start.
    AlarmAt(u32),
    /// The rollback fails.
    RollbackFails,
    /// The deployment that goes back is made only so many seconds after the failure: by CodeDeploy, and by ECS for a rolling
    /// one.
    RollbackLate(u64),
    /// CodeDeploy's own role may not change the service.
    ServiceRoleDenied,
    /// A scaling event doubles the desired count in the middle of the shift, unless scaling is suspended; the
    /// deployment then fails five minutes later.
    ScalingMidShift,
    /// Somebody deletes the service so many seconds after a deployment was asked for.
    ServiceDeleted(u64),
    /// Somebody stops the deployment from the console as this event or stage begins.
    ConsoleStop(&'static str),

    /// Every call with a number that this divides is throttled.
    ThrottleEvery(u64),
    /// The next call of this operation is answered with a server error and has no effect.
    ServerErrorOnce(&'static str),
    /// The next call of this operation has its effect, but the connection closes without an answer.
    LostReplyOnce(&'static str),
    /// From the next call of the first operation on, every call of the second is answered with a server error.
    FailsAfter(&'static str, &'static str),
    /// This goes wrong too, but only after the next call of the operation.
    After(&'static str, Box<Fault>),
    /// The next call of this operation has its effect at once, and is answered so many milliseconds later.
    SlowOnce(&'static str, u64),
    /// The caller may not use this operation. `iam:PassRole` refuses a registration that names a role.
    Denied(&'static str),
    /// Keys that were used before so many virtual seconds had passed are expired from then on; others are accepted.
    ExpiresAt(u64),
    /// Keys that were used in the first so many calls are expired from then on; others are accepted.
    ExpiresAfterCalls(u64),
    /// What looks at services and deployments is answered with what was true at the call of the same input before.
    StaleReads,
    /// The first `CreateDeployment` meets another deployment that began a moment before, and ended a moment later.
    LimitOnce,
    /// The first `GetDeployment` knows no such deployment.
    NotFoundOnce,
}
