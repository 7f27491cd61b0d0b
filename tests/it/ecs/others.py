"""Deploys with a client that somebody else wrote, and says what it makes of it: `aws`, `code-deploy` or `rolling`; or
reads what speaks forms and XML: `query`.

Waits are cut short: the clock of the double of AWS moves with each look.
"""
import contextlib
import io
import json
import os
import sys
import time

import boto3
from botocore.exceptions import ClientError, WaiterError

WAIT = {"Delay": 0.001, "MaxAttempts": 400}
kind, image = sys.argv[1:3]
ecs, code_deploy = boto3.client("ecs"), boto3.client("codedeploy")


def definition():
    service = ecs.describe_services(cluster="badgery", services=["web"])["services"][0]
    running = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    kept = ("family", "networkMode", "containerDefinitions", "requiresCompatibilities", "cpu", "memory", "executionRoleArn")
    document = {key: running[key] for key in kept if key in running}
    document["containerDefinitions"][0]["image"] = image
    return document


def app_spec(arn):
    target = {"TaskDefinition": arn, "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 8080}}
    return {"version": 0.0, "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": target}}]}


def by_aws():
    """`aws ecs deploy`, in this process."""
    from awscli.clidriver import create_clidriver

    time.sleep = lambda seconds: None
    for name, document in (("task.json", definition()), ("spec.json", app_spec("any"))):
        with open(name, "w", encoding="utf-8") as file:
            json.dump(document, file, default=str)
    arguments = ["ecs", "deploy", "--cluster", "badgery", "--service", "web", "--task-definition", "task.json"]
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = create_clidriver().main(arguments + ["--codedeploy-appspec", "spec.json"])
    # Nothing is what a command returns that succeeded.
    return "green" if code in (0, None) else f"red: {said.getvalue().strip()}"


def by_waiter():
    arn = ecs.register_task_definition(**definition())["taskDefinition"]["taskDefinitionArn"]
    if kind == "rolling":
        ecs.update_service(cluster="badgery", service="web", taskDefinition=arn)
        ecs.get_waiter("services_stable").wait(cluster="badgery", services=["web"], WaiterConfig=WAIT)
        return "green"
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(app_spec(arn))}}
    names = {"applicationName": "AppECS-badgery-web", "deploymentGroupName": "DgpECS-badgery-web"}
    deployment = code_deploy.create_deployment(revision=revision, **names)["deploymentId"]
    code_deploy.get_waiter("deployment_successful").wait(deploymentId=deployment, WaiterConfig=WAIT)
    return "green"


def by_query():
    """Load balancers, roles and tokens, which are asked by forms."""
    balancers, roles = boto3.client("elbv2"), boto3.client("iam")
    group = balancers.describe_target_groups()["TargetGroups"][0]
    health = balancers.describe_target_health(TargetGroupArn=group["TargetGroupArn"])["TargetHealthDescriptions"]
    assert [target["TargetHealth"]["State"] for target in health] == ["healthy"] * 2, health
    role = roles.get_role(RoleName="web-task")["Role"]
    assert role["Arn"].endswith(":role/team/web-task") and role["CreateDate"].year > 2000, role
    try:
        return f"red: {roles.get_role(RoleName='nobody')}"
    except roles.exceptions.NoSuchEntityException:
        pass
    names = {"RoleArn": role["Arn"], "RoleSessionName": "run", "WebIdentityToken": "head.claims.signature"}
    keys = boto3.client("sts").assume_role_with_web_identity(**names)["Credentials"]
    return "green" if keys["AccessKeyId"].startswith("ASIA") and keys["Expiration"].year > 2000 else f"red: {keys}"


os.environ["AWS_PAGER"] = ""
try:
    print({"aws": by_aws, "query": by_query}.get(kind, by_waiter)())
except (ClientError, WaiterError) as error:
    print("red", error, sep=": ")
