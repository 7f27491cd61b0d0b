"""Checks what the double of AWS said against the service models of botocore.

Reads exchanges as JSON lines on standard input, prints what does not fit, and ends with 1 if anything does not.
"""
import json
import sys

import botocore.session
from botocore.validate import ParamValidator

# Errors that every service may answer with, declared nowhere in the models: of services that speak JSON, and of those that
# speak Query and XML.
COMMON = {
    "json": {"ThrottlingException", "AccessDeniedException", "ExpiredTokenException", "InternalFailure", "ServerException"},
    "query": {"Throttling", "AccessDenied", "ExpiredToken", "InternalFailure", "RequestExpired", "InvalidClientTokenId"},
}

# What the models leave open and the API references name: free texts that are one of a few words, and members of answers
# that are always there. A path goes through every item of a list.
WORDS = {
    ("ecs", "services[].status"): {"ACTIVE", "DRAINING", "INACTIVE"},
    ("ecs", "services[].deployments[].status"): {"PRIMARY", "ACTIVE", "INACTIVE"},
    ("ecs", "service.deployments[].status"): {"PRIMARY", "ACTIVE", "INACTIVE"},
    ("ecs", "services[].taskSets[].status"): {"PRIMARY", "ACTIVE", "DRAINING"},
    ("ecs", "tasks[].lastStatus"): {
        "PROVISIONING", "PENDING", "ACTIVATING", "RUNNING", "DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED", "DELETED",
    },
    ("ecs", "tasks[].desiredStatus"): {"RUNNING", "PENDING", "STOPPED"},
    ("ecs", "tasks[].containers[].lastStatus"): {"PENDING", "RUNNING", "STOPPED"},
    ("codedeploy", "deploymentTarget.ecsTarget.taskSetsInfo[].status"): {"PRIMARY", "ACTIVE", "DRAINING"},
    ("elbv2", "TargetGroups[].HealthCheckPort"): {"traffic-port"},
}
PRESENT = {
    ("ecs", "DescribeServices"): [
        "services[].serviceArn", "services[].serviceName", "services[].clusterArn", "services[].status",
        "services[].desiredCount", "services[].runningCount", "services[].pendingCount", "services[].taskDefinition",
        "services[].deploymentController.type", "services[].deployments", "services[].events", "services[].createdAt",
    ],
    ("ecs", "DescribeTaskDefinition"): [
        "taskDefinition.taskDefinitionArn", "taskDefinition.family", "taskDefinition.revision", "taskDefinition.status",
        "taskDefinition.containerDefinitions", "taskDefinition.compatibilities", "tags",
    ],
    ("ecs", "RegisterTaskDefinition"): ["taskDefinition.taskDefinitionArn", "taskDefinition.revision"],
    ("ecs", "DescribeTasks"): [
        "tasks[].taskArn", "tasks[].taskDefinitionArn", "tasks[].lastStatus", "tasks[].containers[].name", "failures",
    ],
    ("ecs", "RunTask"): ["tasks", "failures"],
    ("ecs", "DescribeServiceDeployments"): [
        "serviceDeployments[].serviceDeploymentArn", "serviceDeployments[].status",
        "serviceDeployments[].targetServiceRevision.arn",
    ],
    ("codedeploy", "CreateDeployment"): ["deploymentId"],
    ("codedeploy", "GetDeployment"): [
        "deploymentInfo.deploymentId", "deploymentInfo.status", "deploymentInfo.applicationName",
        "deploymentInfo.deploymentGroupName", "deploymentInfo.createTime", "deploymentInfo.creator",
        "deploymentInfo.computePlatform",
    ],
    ("codedeploy", "GetDeploymentTarget"): [
        "deploymentTarget.deploymentTargetType", "deploymentTarget.ecsTarget.status",
        "deploymentTarget.ecsTarget.lifecycleEvents", "deploymentTarget.ecsTarget.taskSetsInfo",
    ],
    ("codedeploy", "GetDeploymentGroup"): [
        "deploymentGroupInfo.applicationName", "deploymentGroupInfo.deploymentGroupName",
        "deploymentGroupInfo.ecsServices", "deploymentGroupInfo.deploymentConfigName",
        "deploymentGroupInfo.blueGreenDeploymentConfiguration",
    ],
    ("codedeploy", "ListDeployments"): ["deployments"],
    ("elbv2", "DescribeTargetHealth"): ["TargetHealthDescriptions[].Target.Id", "TargetHealthDescriptions[].TargetHealth.State"],
    ("elbv2", "DescribeTargetGroups"): ["TargetGroups[].TargetGroupArn", "TargetGroups[].HealthCheckProtocol"],
    ("iam", "GetRole"): ["Role.Arn", "Role.RoleName", "Role.Path", "Role.RoleId", "Role.CreateDate"],
}
# Members that no model knows, sent by a test of ours.
INVENTED = {"inventedLater", "alsoNew"}
session = botocore.session.get_session()
models = {}


def known(value):
    """Without what is invented."""
    if isinstance(value, dict):
        return {name: known(inner) for name, inner in value.items() if name not in INVENTED}
    return [known(inner) for inner in value] if isinstance(value, list) else value


def members(shape, value, path):
    """Enums, and times that are no numbers: the validator lets both pass."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, inner in value.items():
            yield from members(shape.members[name], inner, f"{path}.{name}") if name in shape.members else ()
    elif shape.type_name == "list" and isinstance(value, list):
        for at, inner in enumerate(value):
            yield from members(shape.member, inner, f"{path}[{at}]")
    elif shape.type_name == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        yield f"{path}: {value!r} is none of {shape.enum}"
    elif shape.type_name == "timestamp" and (isinstance(value, (bool, str)) or not isinstance(value, (int, float))):
        yield f"{path}: {value!r} is no time in seconds"
    elif shape.type_name in ("integer", "long") and isinstance(value, bool):
        yield f"{path}: {value!r} is no number"


def at(value, path):
    """All values at a path; `None` stands for one that is not there."""
    name, _, rest = path.partition(".")
    found = value.get(name.removesuffix("[]")) if isinstance(value, dict) else None
    for inner in (found or []) if name.endswith("[]") else [found]:
        yield from at(inner, rest) if rest else [inner]


def by_hand(exchange):
    """What the tables above say of an answer."""
    output = exchange["output"]
    for (service, path), words in WORDS.items():
        if service == exchange["service"]:
            for value in at(output, path):
                if value is not None and value not in words:
                    yield f"{path}: {value!r} is none of {sorted(words)}"
    for path in PRESENT.get((exchange["service"], exchange["operation"]), []):
        # Tags come where they are asked for.
        if path == "tags" and "TAGS" not in exchange["input"].get("include", []):
            continue
        if any(value is None for value in at(output, path)):
            yield f"{path} is not there"


def wrong(exchange):
    model = models.setdefault(exchange["service"], session.get_service_model(exchange["service"]))
    operation = model.operation_model(exchange["operation"])
    error = exchange.get("error")
    if error and error["status"]:
        declared = {shape.metadata.get("error", {}).get("code", shape.name) for shape in operation.error_shapes}
        declared |= {shape.name for shape in operation.error_shapes}
        if error["code"] not in declared | COMMON.get(model.metadata["protocol"], COMMON["json"]):
            yield f"{error['code']} is not declared"
    # Of an answer that was lost there is no more than the question.
    for name, shape in (("input", operation.input_shape), ("output", operation.output_shape)):
        if shape and name in exchange:
            report = ParamValidator().validate(known(exchange[name]), shape)
            yield from [f"{name}: {report.generate_report()}"] if report.has_errors() else []
            yield from members(shape, exchange[name], name)
    if not error:
        yield from by_hand(exchange)


count = bad = 0
for line in sys.stdin:
    exchange, count = json.loads(line), count + 1
    for sentence in wrong(exchange):
        bad += 1
        print(f"{exchange['service']}:{exchange['operation']}: {sentence}")
print(f"{count} exchanges, {bad} that do not fit")
sys.exit(1 if bad or not count else 0)
