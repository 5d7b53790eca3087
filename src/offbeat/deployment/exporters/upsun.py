"""Upsun: .upsun/config.yaml, and the .environment that makes addresses of what it injects."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import fixed_values, own_values, processes
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan
from offbeat.deployment.exporters.texts import comment, yaml_text
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

# Without a profile, Python's is HIGH_CPU: half a CPU has 224 MB there.
CPUS = (0.1, 0.25, 0.5, 1, 2, 4, 6, 8)
MEMORY = {
    "BALANCED": (352, 640, 1088, 1920, 2800, 4800, 6080, 7296),
    "HIGH_MEMORY": (448, 832, 1408, 2432, 4032, 6720, 9024, 11200),
    "HIGHER_MEMORY": (864, 1472, 2368, 3840, 6336, 10496, 14080, 17408),
}
PLANS = tuple(
    Plan(f"{profile} {cpus:g}", cpus, memory, group=profile)
    for profile, amounts in MEMORY.items()
    for cpus, memory in zip(CPUS, amounts, strict=True)
)

FACTS = Facts(
    title="Upsun",
    console=Console(
        where=(
            "In a terminal on your own machine, with Upsun's command line. This opens a shell in the container of "
            "web:"
        ),
        opens=("upsun ssh",),
        fire=(
            "Upsun starts no cron by hand: wait for its next time. `upsun activity:list --type environment.cron` shows its "
            "runs."
        ),
        state="`upsun worker:list`, and `upsun activity:list` for failed deploys",
        worker="`upsun redeploy`",
        logs="`upsun log app`",
        variables="`upsun variable:list`, and `.upsun/config.yaml`",
        crons=(
            "`upsun activity:list --type environment.cron`. They are paused 14 days after the last deploy where there is no "
            "domain"
        ),
    ),
    proved_by="the schema of Upsun's own tool platformify",
    files=(".upsun/config.yaml", ".environment"),
    cron="`crons` of the app",
    floor=5,
    overlap="queued; a cron that runs holds up a deploy",
    drift="up to 20 minutes",
    grace=15,
    grace_unset="15 s, always",
    release="the deploy hook",
    release_is_before=False,
    release_effect="release: a failed deploy hook does not stop the deploy: read its log after each one",
    scales=False,
    taken_names=frozenset({"postgres", "redis", "rabbitmq"}),
    hosts="by itself (PLATFORM_ROUTES)",
    resources="services of the file",
    rabbitmq="a service of the file",
    makes_rabbitmq=True,
    versions={
        "postgres": Offer(("18", "17", "16", "15", "14")),
        "redis": Offer(("8.8", "8.0", "7.2")),
        "rabbitmq": Offer(("4.1",)),
    },
    plans=PLANS,
    notes=(
        (
            "cronjobs: Upsun pauses all of them 14 days after the last deployment of an environment without a domain: "
            "give production its domain, and deploy again where they paused"
        ),
        "it builds from a Python runtime, not from the Dockerfile",
        "Redis is `redis-persistent`: the plain one is a cache that evicts",
        "sizes and instances are not in the file: `upsun resources:set`, as its head has it, after the first push",
    ),
    unverified=(
        "that workers have the container profile of their app",
        "that a worker is called `<app>--<worker>` in `upsun resources:set` (from memory)",
    ),
    sources=(
        "docs.upsun.com/create-apps/app-reference",
        "docs.upsun.com/add-services/redis.html",
        "docs.upsun.com/add-services/rabbitmq.html",
        "docs.upsun.com/manage-resources/adjust-resources.html",
        "docs.upsun.com/create-apps/workers.html",
    ),
)

TYPES = {"postgres": "postgresql", "redis": "redis-persistent", "rabbitmq": "rabbitmq"}
ENDPOINTS = {"postgres": "postgresql", "redis": "redis", "rabbitmq": "rabbitmq"}


def files(target: Target) -> tuple[File, ...]:
    return (
        File(
            ".upsun/config.yaml",
            yaml_text(_config(target), header=f"{target.header}\n\n{_resources(target)}"),
        ),
        File(".environment", _environment(target)),
    )


def _config(target: Target) -> dict[str, Any]:
    platform = target.platform
    config: dict[str, Any] = {"applications": {platform.name: _application(target)}}
    if services := {
        kind: {"type": f"{TYPES[kind]}:{target.version_of(kind)}"} for kind in platform.resources.kinds
    }:
        config["services"] = services
    if any(each.port for each in platform.services):
        config["routes"] = {"https://{default}/": {"type": "upstream", "upstream": f"{platform.name}:http"}}
    return config


def _resources(target: Target) -> str:
    """Give the command that sets what the file cannot: each service's CPUs, and with them its memory, and its instances."""
    app = target.platform.name
    names = {each.name: app if each.port else f"{app}--{each.name}" for each in target.platform.services}
    sizes = [f"{names[each.name]}:{target.plan_of(each).cpu:g}" for each in target.platform.services]
    counts = [f"{names[each.name]}:{max(each.instances.min, 1)}" for each in target.platform.services]
    return f"After the first push: upsun resources:set --size {','.join(sizes)} --count {','.join(counts)}"


def _application(target: Target) -> dict[str, Any]:
    platform = target.platform
    web = [each for each in platform.services if each.port]
    app: dict[str, Any] = {
        "type": "python:3.14",
        "container_profile": target.plan_of(platform.services[0]).group,
        "source": {"root": "/"},
        "relationships": {kind: f"{kind}:{ENDPOINTS[kind]}" for kind in platform.resources.kinds},
        "variables": {"env": fixed_values(target, None) | processes(target, web)},
        "hooks": _hooks(target),
    }
    for service in platform.services:
        if service.port:
            start = {"commands": {"start": service.command}, "locations": {"/": {"passthru": True}}}
            app["web"] = start
        else:
            app.setdefault("workers", {})[service.name] = _worker(target, service)
    if target.wake_ups:
        app["timezone"] = "UTC"
        app["crons"] = {
            each.name: {"spec": each.line, "commands": {"start": each.command}, "timeout": 120}
            for each in target.wake_ups
        }
    return {key: value for key, value in app.items() if value != {}}


def _worker(target: Target, service: Service) -> dict[str, Any]:
    return {"commands": {"start": service.command}, "variables": {"env": own_values(target, service)}}


def _hooks(target: Target) -> dict[str, str]:
    # Collecting files uses none of the values that the settings ask for, and no server is there yet.
    unused = "SECRET_KEY=unused ALLOWED_HOSTS=unused DATABASE_URL=postgres://unused REDIS_URL=redis://unused"
    collect = f"{unused} python manage.py collectstatic --no-input"
    hooks = {"build": f"set -e\npip install -r requirements.txt\n{collect}\n"}
    return hooks | ({"deploy": f"set -e\n{target.platform.release}\n"} if target.platform.release else {})


def _environment(target: Target) -> str:
    """Give the shell file that Upsun sources in every container before it starts anything."""
    return comment(target.header) + "\n" + "\n".join(_exports(target)) + "\n"


def _exports(target: Target) -> Iterator[str]:
    resources = target.platform.resources
    if resources.postgres:
        login = "${POSTGRES_USERNAME}:${POSTGRES_PASSWORD}@${POSTGRES_HOST}:${POSTGRES_PORT}/${POSTGRES_PATH}"
        yield f'export {resources.postgres.injects}="postgresql://{login}"'
    if resources.redis:
        yield f'export {resources.redis.injects}="redis://${{REDIS_HOST}}:${{REDIS_PORT}}/0"'
    if resources.rabbitmq:
        login = "${RABBITMQ_USERNAME}:${RABBITMQ_PASSWORD}@${RABBITMQ_HOST}:${RABBITMQ_PORT}"
        yield f'export {resources.rabbitmq.injects}="amqp://{login}/"'
    for variable in target.platform.env:
        if variable.generated:
            # Made of a secret of the project that Upsun keeps: the same in every container, another for each variable, so
            # that whoever is shown one knows no other.
            secret = f'$(printf %s "{variable.name}:$PLATFORM_PROJECT_ENTROPY" | sha256sum | cut -c 1-64)'
            yield f'export {variable.name}="${{{variable.name}:-{secret}}}"'
    for service in target.platform.services:
        for variable in target.platform.env_of(service.name):
            if variable.services and variable.default is not None:
                value = shlex.quote(variable.default)
                yield f'[ -n "${{{variable.name}:-}}" ] || export {variable.name}={value}'
