"""ECS: task definitions, which the release, the services and the cronjobs share."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.environment import fixed_values, needed
from offbeat.deployment.exporters.plans import Plan

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

Object = dict[str, Any]

# Of the release and of wake-ups, which take about a second and 100 MiB.
CRON_PLAN = Plan("0.25 vCPU", 0.25, 512)


def identifier(kind: str, name: str) -> str:
    """Give a name as CloudFormation identifies things, by letters and digits alone: no two names become one."""
    return kind + name.replace("-", "X").replace("_", "x")


def assumed_by(service: str, **condition: Any) -> Object:
    """Give the document that lets a service of AWS take a role."""
    allowed = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole", **condition}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def task(
    target: Target, name: str, argv: list[str], known: Object, *, plan: Plan, service: Service | None
) -> Object:
    """Give the task definition of a process; `known` has the values of what the base stack made."""
    container = {
        "Name": name,
        "Image": {"Ref": "Image"},
        "Essential": True,
        "Command": argv,
        **(_lifecycle(target, service) if service else {}),
        "Environment": [
            {"Name": each, "Value": value} for each, value in fixed_values(target, service).items()
        ],
        "Secrets": _secrets(target, known),
        "LogConfiguration": _logs(name, known),
    }
    properties = {
        "Family": target.called(name),
        "RequiresCompatibilities": ["FARGATE"],
        "NetworkMode": "awsvpc",
        "Cpu": str(round(plan.cpu * 1024)),
        "Memory": str(plan.memory),
        "ExecutionRoleArn": known["ExecutionRole"],
        "ContainerDefinitions": [{key: value for key, value in container.items() if value != []}],
    }
    return {"Type": "AWS::ECS::TaskDefinition", "Properties": properties}


def _lifecycle(target: Target, service: Service) -> Object:
    given: Object = {"StopTimeout": target.grace(service)}
    if service.port:
        given["PortMappings"] = [{"ContainerPort": service.port}]
    elif service.health:
        # ECS does not read the image's own HEALTHCHECK.
        given["HealthCheck"] = {
            "Command": ["CMD", *shlex.split(service.health)],
            "Interval": 15,
            "Timeout": 5,
            "Retries": 4,
            "StartPeriod": 60,
        }
    return given


def _secrets(target: Target, known: Object) -> list[Object]:
    """Give the variables whose values ECS takes from Secrets Manager when a task starts."""
    generated = [each.name for each in needed(target.platform) if each.generated]
    asked = [each.name for each in needed(target.platform) if each.required]
    sources: Object = {
        name: {"Fn::Join": [":", [known["Secrets"], name, "", ""]]}
        for name in (*target.platform.resources.injected, *asked)
    }
    sources |= {name: known[identifier("Secret", name)] for name in generated}
    return [{"Name": name, "ValueFrom": source} for name, source in sources.items()]


def _logs(name: str, known: Object) -> Object:
    options = {
        "awslogs-group": known["Logs"],
        "awslogs-region": {"Ref": "AWS::Region"},
        "awslogs-stream-prefix": name,
    }
    return {"LogDriver": "awslogs", "Options": options}
