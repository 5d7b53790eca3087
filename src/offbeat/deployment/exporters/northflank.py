"""Northflank: a template, whose workflow makes servers, builds the image, runs the release and then starts the services."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import particular_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.names import apart, fitted
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import json_text
from offbeat.deployment.schedule_fields import FIELDS
from offbeat.deployment.schedule_text import values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import EnvVar, Platform, Service

Node = dict[str, Any]

FACTS = Facts(
    title="Northflank",
    console=Console(
        where=(
            "In a terminal on your own machine, with Northflank's command line (`npm install -g @northflank/cli`, "
            "`northflank login`). This opens a shell in a container of web. In the dashboard: the service `web`, "
            "Containers, the button for its shell."
        ),
        opens=("northflank exec service --project <name> --service web",),
        fire=(
            "`northflank start job run --project <name> --job prune-jobs`. In the dashboard: the job, **Run job**."
        ),
        state="the dashboard, the service `worker`, Containers",
        worker="Run the template again; it starts the worker with at least one instance",
        logs="the dashboard, the service, Logs",
        variables="the dashboard, the secret group `<name>-variables`",
        crons="the dashboard, Jobs, Job runs",
    ),
    files=("northflank.json",),
    cron="a CronJob each, which may not overlap itself",
    overlap="the next is left out",
    grace_unset="30 s",
    release="a job that the template runs and waits for, before it changes a service",
    hosts="the template's argument ALLOWED_HOSTS",
    resources="addons; a secret group hands their addresses to every process",
    rabbitmq="its addon RabbitMQ, made by hand",
    plans=(
        Plan("nf-compute-10", 0.1, 256),
        Plan("nf-compute-20", 0.2, 512),
        Plan("nf-compute-50", 0.5, 1024),
        Plan("nf-compute-100-1", 1, 1024),
        Plan("nf-compute-100-2", 1, 2048),
        Plan("nf-compute-100-4", 1, 4096),
        Plan("nf-compute-200", 2, 4096),
        Plan("nf-compute-200-8", 2, 8192),
        Plan("nf-compute-400", 4, 8192),
        Plan("nf-compute-200-16", 2, 16384),
        Plan("nf-compute-400-16", 4, 16384),
        Plan("nf-compute-800-8", 8, 8192),
        Plan("nf-compute-800-16", 8, 16384),
        Plan("nf-compute-800-24", 8, 24576),
        Plan("nf-compute-800-32", 8, 32768),
        Plan("nf-compute-800-40", 8, 40960),
        Plan("nf-compute-1600-32", 16, 32768),
    ),
    notes=(
        "a deploy is a run of the template: a push alone changes nothing, so that no service starts before the release",
        "a value with `${` in it is written as `${fn.fromBase64('...')}`: Northflank would take it for a reference",
        "a later run of the template overwrites variables that were set by hand in its secret group: use its arguments",
    ),
    assumed=frozenset({"zone", "floor", "grace", "plans"}),
    unverified=(
        "the time zone of its cronjobs (UTC is assumed), and their shortest interval",
        "how it splits a command with quotes into words",
        "the sizes and names of its plans: they are from public price lists, not from its API",
        "which versions its addons have: `<major>-latest` is asked for",
        "that the certificate of its Redis is signed by an authority that the app knows: set REDIS_TLS_VERIFY otherwise",
        "a run of this template: fields are checked against the types of its client, nodes against its documentation",
    ),
    sources=(
        "northflank.com/docs/v1/api (jobs, services, addons, secrets, templates)",
        "northflank.com/docs/v1/application/infrastructure-as-code/make-a-template-dynamic",
        "npm @northflank/js-client 0.9.5",
    ),
    proved_by="the types of npm's @northflank/js-client; workflow and references by our own reader",
)

LONGEST = 52
RELEASE, IMAGE = "release", "image"
# Builds need one of the larger plans; a smaller one is refused.
BUILD_PLAN = "nf-compute-400-16"
SMALL_PLAN = "nf-compute-20"
# The release waits 600 s for its lock; a wake-up enqueues and exits.
RELEASE_SECONDS, WAKE_UP_SECONDS = 900, 120
ADDONS = {"postgres": ("postgresql", "POSTGRES_URI", 6144), "redis": ("redis", "REDIS_MASTER_URL", 4096)}


def files(target: Target) -> tuple[File, ...]:
    return (File("northflank.json", json_text(_template(target))),)


def _template(target: Target) -> Node:
    platform = target.platform
    project = {"name": fitted(platform.name, LONGEST, doubles=False), "region": "${args.REGION}"}
    steps = [
        {"kind": "Project", "ref": "project", "spec": project},
        _workflow(list(_steps(target)), context={"projectId": "${refs.project.id}"}),
    ]
    return {
        "apiVersion": "v1.2",
        "name": project["name"],
        "description": target.header.replace("\n", " ").replace('"', "'"),
        "options": {"autorun": False, "concurrencyPolicy": "queue"},
        "arguments": {"REGION": "europe-west"} | {each.name: "" for each in _asked(platform)},
        "spec": _workflow(steps),
    }


def _workflow(steps: list[Node], **more: Any) -> Node:
    return {"kind": "Workflow", "spec": {"type": "sequential", **more, "steps": steps}}


def _steps(target: Target) -> Iterator[Node]:
    """Give what one run does, in its order: each node waits for the one before."""
    platform = target.platform
    for kind in platform.resources.kinds:
        yield _node("Addon", _addon(target, kind), ref=kind)
        running = {"data": {"addonId": f"${{refs.{kind}.id}}"}, "type": "running"}
        yield {"kind": "Condition", "spec": {"kind": "Addon", "spec": running}}
    yield _node("SecretGroup", _secrets(target), ref="secrets")
    yield _node("BuildService", _image(target), ref=IMAGE)
    build = {"id": f"${{refs.{IMAGE}.id}}", "type": "service", "branch": platform.branch}
    yield {"kind": "Build", "ref": "build", "condition": "success", "spec": build}
    if platform.release:
        yield _node("ManualJob", _job(target, RELEASE, platform.release, RELEASE_SECONDS), ref=RELEASE)
        run = {"jobId": f"${{refs.{RELEASE}.id}}"}
        yield {"kind": "JobRun", "ref": "released", "condition": "success", "spec": run}
    yield from (_node("DeploymentService", _service(target, each)) for each in platform.services)
    yield from (_node("CronJob", _cronjob(target, each)) for each in target.wake_ups)


def _node(kind: str, spec: Node, ref: str | None = None) -> Node:
    return {"kind": kind, **({"ref": ref} if ref else {}), "updateMode": "put", "spec": spec}


def _addon(target: Target, kind: str) -> Node:
    of_type, _, storage = ADDONS[kind]
    keeps_all = {"typeSpecificSettings": {"redisMaxMemoryPolicy": "noeviction"}} if kind == "redis" else {}
    return {
        "name": fitted(f"{target.platform.name}-{kind}", LONGEST, doubles=False),
        "type": of_type,
        "version": f"{target.version_of(kind).partition('.')[0]}-latest",
        "billing": {"deploymentPlan": SMALL_PLAN, "storageClass": "nvme", "storage": storage, "replicas": 1},
        "tlsEnabled": True,
        "externalAccessEnabled": False,
        **keeps_all,
    }


def _secrets(target: Target) -> Node:
    """Give what every process gets: defaults, secrets that Northflank makes once, arguments, and the servers' addresses."""
    platform = target.platform
    everywhere = [each for each in platform.env if not each.services]
    known = {each.name: _exactly(each.default) for each in everywhere if each.default is not None}
    known |= {each.name: "${fn.randomSecret(64)}" for each in everywhere if each.generated}
    known |= {each.name: f"${{args.{each.name}}}" for each in _asked(platform)}
    keys = [
        {
            "addonId": f"${{refs.{kind}.id}}",
            "keys": [{"keyName": ADDONS[kind][1], "aliases": [resource.injects]}],
        }
        for kind, resource in platform.resources.items()
    ]
    return {
        "name": fitted(f"{platform.name}-variables", LONGEST, doubles=False),
        "type": "secret",
        "secretType": "environment",
        "priority": 10,
        "secrets": {"variables": known},
        "addonDependencies": keys,
    }


def _asked(platform: Platform) -> Iterator[EnvVar]:
    """Give the variables that are arguments of the template: a person fills them in, secret ones as overrides."""
    return (each for each in platform.env if each.default is None and not each.generated)


def _exactly(value: str) -> str:
    """Give a value as a template takes it: `${` would begin a reference."""
    if "${" not in value:
        return value
    return f"${{fn.fromBase64('{base64.b64encode(value.encode()).decode()}')}}"


def _image(target: Target) -> Node:
    platform = target.platform
    return {
        "name": IMAGE,
        "billing": {"buildPlan": BUILD_PLAN},
        "disabledCI": True,
        "vcsData": {"projectUrl": f"https://github.com/{target.repository}", "projectType": "github"},
        "buildSettings": {
            "dockerfile": {"buildEngine": "buildkit", "dockerFilePath": "/Dockerfile", "dockerWorkDir": "/"}
        },
        "buildConfiguration": {"branchRestrictions": [platform.branch]},
    }


def _deployment(target: Target, command: str) -> Node:
    return {
        "docker": {"configType": "customCommand", "customCommand": command},
        "internal": {
            "id": f"${{refs.{IMAGE}.id}}",
            "branch": target.platform.branch,
            "buildId": "${refs.build.id}",
        },
    }


def _service(target: Target, service: Service) -> Node:
    least, most = max(service.instances.min, 1), max(service.instances.max, 1)
    deployment = {"instances": least, "gracePeriodSeconds": target.grace(service)}
    written = {
        "name": _named(apart(service.name, (IMAGE, RELEASE))),
        "billing": {"deploymentPlan": target.plan_of(service).name},
        "deployment": deployment | _deployment(target, service.command),
        "runtimeEnvironment": {
            name: _exactly(value) for name, value in particular_values(target, service).items()
        },
        "ports": _ports(service),
        "healthChecks": list(_health_checks(service)),
    }
    if most > least:
        cpu = {"enabled": True, "thresholdPercentage": 80}
        horizontal = {"enabled": True, "minReplicas": least, "maxReplicas": most, "cpu": cpu}
        written["autoscaling"] = {"horizontal": horizontal}
    return written


def _named(name: str) -> str:
    """Give the name of a service or a job: three characters at least."""
    name = fitted(name, LONGEST, doubles=False)
    return name if len(name) > 2 else f"{name}-process"


def _ports(service: Service) -> list[Node]:
    return (
        [{"name": "http", "internalPort": service.port, "public": True, "protocol": "HTTP"}]
        if service.port
        else []
    )


def _health_checks(service: Service) -> Iterator[Node]:
    times = {"initialDelaySeconds": 30, "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 3}
    if service.health:
        asked = _path(service, service.health) if service.port else {"protocol": "CMD", "cmd": service.health}
        yield {"type": "livenessProbe", **asked, **times}
    if service.ready:
        sooner = times | {"initialDelaySeconds": 5, "periodSeconds": 10}
        yield {"type": "readinessProbe", **_path(service, service.ready), **sooner}


def _path(service: Service, path: str) -> Node:
    return {"protocol": "HTTP", "path": path, "port": service.port}


def _job(target: Target, name: str, command: str, seconds: int) -> Node:
    """Give a job that runs once: a wake-up that failed is made good by the next, not by the same again."""
    return {
        "name": name,
        "billing": {"deploymentPlan": SMALL_PLAN},
        "backoffLimit": 0,
        "activeDeadlineSeconds": seconds,
        "runOnSourceChange": "never",
        "deployment": _deployment(target, command),
    }


def _cronjob(target: Target, wake_up: WakeUp) -> Node:
    when = {"schedule": _plain(wake_up.line), "concurrencyPolicy": "forbid"}
    return _job(target, _named(apart(wake_up.name, (IMAGE,))), wake_up.command, WAKE_UP_SECONDS) | when


def _plain(line: str) -> str:
    """Give a line whose lists hold numbers alone: its schema is not known to take a step within a list, or within a range."""
    texts = zip(FIELDS, line.split(), strict=True)
    return " ".join(
        ",".join(map(str, sorted(values(field, text)))) if "/" in text and not text.startswith("*/") else text
        for field, text in texts
    )
