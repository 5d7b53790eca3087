"""Render: a Blueprint, render.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import ADDRESS, HOSTS, fixed_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import yaml_text
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Service

PLANS = (
    Plan("starter", 0.5, 512, most_instances=100),
    Plan("standard", 1, 2048, most_instances=100),
    Plan("pro", 2, 4096, most_instances=100),
    Plan("pro plus", 4, 8192, most_instances=100),
    Plan("pro max", 4, 16384, most_instances=100),
    Plan("pro ultra", 8, 32768, most_instances=100),
)

FACTS = Facts(
    title="Render",
    console=Console(
        where=(
            "In Render's dashboard: the service `<name>-web`, then **Shell**. (Not verified: that it opens in "
            "`/app`. If not: `cd /app`.)"
        ),
        fire=("Dashboard, the cron service `<name>-prune-jobs`, **Trigger Run**. Its log shows the result."),
        state="the dashboard, the service `<name>-worker`, Events",
        worker="Resume the service `<name>-worker`, or deploy it again. Render has no free workers",
        logs="the dashboard, the service, Logs",
        variables="the dashboard, the service, Environment",
        crons="the dashboard, the cron service, Runs",
    ),
    proved_by="our own strict reader: the keys of Render's Blueprint reference",
    files=("render.yaml",),
    cron="a cron service each (`type: cron`)",
    billed=True,
    overlap="at most one run; the next is delayed; a manual run cancels the active one",
    grace=300,
    grace_unset="30 s",
    release="`preDeployCommand` of web",
    hosts="by itself (RENDER_EXTERNAL_HOSTNAME), copied from web to the others",
    resources="Postgres and Key Value, made by the Blueprint",
    rabbitmq="a private service of the image `rabbitmq`, made by hand",
    versions={
        "postgres": Offer(("18", "17", "16", "15", "14", "13")),
        "redis": Offer(("8",), "Valkey"),
    },
    plans=PLANS,
    notes=(
        "the plan `free` covers web, Postgres and Key Value only: workers and cron services cost from the first day",
    ),
    sources=(
        "render.com/docs/blueprint-spec",
        "render.com/docs/cronjobs",
        "render.com/docs/scaling",
        "github.com/render-oss/skills (plans)",
    ),
)

PLAN = PLANS[0].name
"""Of cron services and Key Value: a wake-up takes about a second and 100 MiB."""
SELF = {HOSTS: "RENDER_EXTERNAL_HOSTNAME", ADDRESS: "RENDER_EXTERNAL_URL"}
"""What web knows of itself and the other processes have to be told."""


def files(target: Target) -> tuple[File, ...]:
    document: dict[str, Any] = {"services": [*_redis(target), *_services(target), *_crons(target)]}
    if target.platform.resources.postgres:
        document["databases"] = [
            {
                "name": f"{target.platform.name}-postgres",
                "plan": "basic-256mb",
                "postgresMajorVersion": target.version_of("postgres").split(".")[0],
                "ipAllowList": [],
            }
        ]
    return (File("render.yaml", yaml_text(document, header=target.header)),)


def _services(target: Target) -> list[dict[str, Any]]:
    return [_service(target, each) for each in target.platform.services]


def _service(target: Target, service: Service) -> dict[str, Any]:
    kind, name = "web" if service.port else "worker", target.called(service.name)
    entry = _entry(kind, name, service.command, target.plan_of(service).name)
    if target.releases(service):
        entry["preDeployCommand"] = target.platform.release
    if service.port and service.health:
        entry["healthCheckPath"] = service.health
    entry["maxShutdownDelaySeconds"] = target.grace(service)
    entry |= _instances(target.sized(service))
    entry["envVars"] = _env(target, service)
    return entry


def _instances(service: Service) -> dict[str, Any]:
    low, high = max(service.instances.min, 1), service.instances.max
    if high > low:
        return {"scaling": {"minInstances": low, "maxInstances": high, "targetCPUPercent": 70}}
    return {"numInstances": low}


def _crons(target: Target) -> list[dict[str, Any]]:
    return [
        _entry("cron", target.called(each.name), each.command, PLAN)
        | {"schedule": each.line, "envVars": _env(target, None)}
        for each in target.wake_ups
    ]


def _entry(kind: str, name: str, command: str, plan: str) -> dict[str, Any]:
    return {
        "type": kind,
        "name": name,
        "runtime": "docker",
        "plan": plan,
        "dockerfilePath": "./Dockerfile",
        "dockerContext": ".",
        "dockerCommand": command,
    }


def _redis(target: Target) -> list[dict[str, Any]]:
    if not target.platform.resources.redis:
        return []
    name = f"{target.platform.name}-redis"
    # A broker that evicts keys loses jobs' messages; an empty list keeps it private.
    policy = {"maxmemoryPolicy": "noeviction", "ipAllowList": []}
    return [{"type": "keyvalue", "name": name, "plan": PLAN, **policy}]


def _env(target: Target, service: Service | None) -> list[dict[str, Any]]:
    values = fixed_values(target, service)
    literals = [{"key": key, "value": value} for key, value in values.items()]
    process = service.name if service else ""
    asked = [each for each in target.platform.env_of(process) if each.default is None]
    return [
        *_servers(target),
        *literals,
        *(entry for each in asked for entry in _asked(target, service, each)),
    ]


def _asked(target: Target, service: Service | None, variable: EnvVar) -> list[dict[str, Any]]:
    """Ask for a value once, in web; the other processes copy it from there, so that they cannot differ."""
    web = next((each for each in target.platform.services if each.port), None)
    if web is None or service is web:
        if variable.generated:
            return [{"key": variable.name, "generateValue": True}]
        return [] if variable.name in SELF else [{"key": variable.name, "sync": False}]
    if variable.services:
        return [{"key": variable.name, "sync": False}]
    source = {"type": "web", "name": target.called(web.name)}
    return [
        {"key": variable.name, "fromService": source | {"envVarKey": SELF.get(variable.name, variable.name)}}
    ]


def _servers(target: Target) -> list[dict[str, Any]]:
    name, resources = target.platform.name, target.platform.resources
    entries: list[dict[str, Any]] = []
    if resources.postgres:
        source: dict[str, str] = {"name": f"{name}-postgres", "property": "connectionString"}
        entries.append({"key": resources.postgres.injects, "fromDatabase": source})
    if resources.redis:
        source = {"type": "keyvalue", "name": f"{name}-redis", "property": "connectionString"}
        entries.append({"key": resources.redis.injects, "fromService": source})
    return entries
