"""ECS: the stack of what runs: a service each, how it scales, and the schedules of EventBridge Scheduler."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

from offbeat.deployment.exporters.ecs_tasks import CRON_PLAN, Object, assumed_by, identifier, task
from offbeat.deployment.schedule_fields import FIELDS
from offbeat.deployment.schedule_text import values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

CRON = "cron"
"""The task definition and the container of all wake-ups: each schedule puts its own command in."""
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
CPU_AIM = 70  # per cent


def template(target: Target, given: Iterable[str]) -> Object:
    """Give the template; `given` names what the base stack hands over, as parameters."""
    known = {name: {"Ref": name} for name in given}
    resources: Object = {}
    for service in target.platform.services:
        resources |= _service(target, service, known)
    if target.wake_ups:
        resources |= _scheduler(target, known)
        resources |= {
            identifier("Schedule", each.name): _schedule(target, each, known) for each in target.wake_ups
        }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{target.platform.name}: what runs, deployed after the release",
        "Parameters": {"Image": {"Type": "String", "Default": target.image}} | dict(map(_parameter, given)),
        "Resources": resources,
    }


def _parameter(name: str) -> tuple[str, Object]:
    return name, {"Type": "List<AWS::EC2::Subnet::Id>" if name == "Subnets" else "String"}


def _service(target: Target, service: Service, known: Object) -> Object:
    name, low = service.name.capitalize(), max(service.instances.min, 1)
    definition = task(
        target, service.name, service.argv, known, plan=target.plan_of(service), service=service
    )
    scaling = dict(_scaling(service, name, low, known)) if service.instances.max > low else {}
    properties: Object = {
        "Cluster": known["Cluster"],
        "TaskDefinition": {"Ref": f"{name}Task"},
        "LaunchType": "FARGATE",
        # What scales keeps its number over a deploy.
        **({} if scaling else {"DesiredCount": low}),
        "DeploymentConfiguration": {
            "MinimumHealthyPercent": 100,
            "MaximumPercent": 200,
            "DeploymentCircuitBreaker": {"Enable": True, "Rollback": True},
        },
        "NetworkConfiguration": _network(known),
    }
    if service.port:
        balanced = {"ContainerName": service.name, "ContainerPort": service.port}
        properties["LoadBalancers"] = [balanced | {"TargetGroupArn": known["TargetGroup"]}]
        properties["HealthCheckGracePeriodSeconds"] = 120
    running = {"Type": "AWS::ECS::Service", "Properties": properties}
    return {f"{name}Task": definition, f"{name}Service": running, **scaling}


def _network(known: Object) -> Object:
    network = {"Subnets": known["Subnets"], "SecurityGroups": [known["SecurityGroup"]]}
    return {"AwsvpcConfiguration": network | {"AssignPublicIp": known["PublicIp"]}}


def _scaling(service: Service, name: str, low: int, known: Object) -> Iterator[tuple[str, Object]]:
    resource = ["service", known["Cluster"], {"Fn::GetAtt": [f"{name}Service", "Name"]}]
    bounds = {
        "ServiceNamespace": "ecs",
        "ScalableDimension": "ecs:service:DesiredCount",
        "ResourceId": {"Fn::Join": ["/", resource]},
        "MinCapacity": low,
        "MaxCapacity": service.instances.max,
    }
    yield f"{name}Bounds", {"Type": "AWS::ApplicationAutoScaling::ScalableTarget", "Properties": bounds}
    aim = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "TargetValue": CPU_AIM,
        # A worker that is taken away hands its jobs back: not every minute.
        "ScaleInCooldown": 600 if service.queues else 120,
    }
    policy = {
        "PolicyName": "cpu",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": {"Ref": f"{name}Bounds"},
        "TargetTrackingScalingPolicyConfiguration": aim,
    }
    yield f"{name}Scaling", {"Type": "AWS::ApplicationAutoScaling::ScalingPolicy", "Properties": policy}


def _scheduler(target: Target, known: Object) -> Object:
    """Give the task of wake-ups, and the role that may run it and nothing else."""
    argv = shlex.split(target.wake_ups[0].command)
    run = {
        "Effect": "Allow",
        "Action": "ecs:RunTask",
        "Resource": {"Ref": "CronTask"},
        "Condition": {"ArnEquals": {"ecs:cluster": known["ClusterArn"]}},
    }
    give = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": known["ExecutionRole"],
        "Condition": {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
    }
    document = {"Version": "2012-10-17", "Statement": [run, give]}
    # Not for a schedule of another account, which could name this role.
    ours = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    role = {
        "AssumeRolePolicyDocument": assumed_by("scheduler.amazonaws.com", Condition=ours),
        "Policies": [{"PolicyName": "run", "PolicyDocument": document}],
    }
    return {
        "CronTask": task(target, CRON, argv, known, plan=CRON_PLAN, service=None),
        "SchedulerRole": {"Type": "AWS::IAM::Role", "Properties": role},
    }


def _schedule(target: Target, wake_up: WakeUp, known: Object) -> Object:
    override = {"name": CRON, "command": shlex.split(wake_up.command)}
    runs = {
        "TaskDefinitionArn": {"Ref": "CronTask"},
        "TaskCount": 1,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": _network(known),
    }
    wakes = {
        "Arn": known["ClusterArn"],
        "RoleArn": {"Fn::GetAtt": ["SchedulerRole", "Arn"]},
        "Input": json.dumps({"containerOverrides": [override]}),
        # For a start that ECS refuses; a task that failed is made good by the next wake-up.
        "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 300},
        "EcsParameters": runs,
    }
    properties = {
        "Name": target.called(wake_up.name),
        "ScheduleExpression": expression(wake_up.line),
        "ScheduleExpressionTimezone": wake_up.zone,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": wakes,
    }
    return {"Type": "AWS::Scheduler::Schedule", "Properties": properties}


def expression(line: str) -> str:
    """Give a numeric cron line as EventBridge writes it: six fields, `?` for the day that is not said, names of weekdays."""
    *_, weekday = line.split()
    sets = [values(field, text) for field, text in zip(FIELDS, line.split(), strict=True)]
    spans = [(0, 59), (0, 23), (1, 31), (1, 12)]
    texts = [_field(sorted(each), *span) for each, span in zip(sets, spans, strict=False)]
    if weekday != "*":
        texts[2] = "?"
    days = "?" if weekday == "*" else ",".join(DAYS[each] for each in sorted(sets[4]))
    return f"cron({' '.join([*texts, days])} *)"


def _field(numbers: list[int], low: int, high: int) -> str:
    """Give the shortest of the forms that EventBridge documents: a star, a range, a start with a step, a list."""
    if numbers == list(range(low, high + 1)):
        return "*"
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and numbers == list(range(first, last + 1)):
        return f"{first}-{last}"
    if len(numbers) > 2 and numbers == list(range(first, high + 1, numbers[1] - first)):
        return f"{first}/{numbers[1] - first}"
    return ",".join(map(str, numbers))
