"""Upsun: .upsun/config.yaml, and the .environment that makes addresses of what it injects."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.environment import fixed_values, own_values, processes
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import comment, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="Upsun",
    files=(".upsun/config.yaml", ".environment"),
    cron="`crons` of the app",
    floor=5,
    overlap="queued; a cron that runs holds up a deploy",
    drift="up to 20 minutes",
    grace=15,
    grace_unset="15 s",
    release="the deploy hook",
    release_is_before=False,
    release_effect="release: a failed deploy hook does not stop the deploy: look at its log after each one",
    scales=False,
    taken_names=frozenset({"postgres", "redis"}),
    hosts="by itself (PLATFORM_ROUTES)",
    resources="services of the file",
    notes=(
        "it builds from a Python runtime, not from the Dockerfile",
        "Redis is `redis-persistent`: the plain one is a cache that evicts",
        "sizes and instances are set with `upsun resources:set`, not in the file",
    ),
    assumed=frozenset({"grace"}),
    unverified=(
        "whether the 15 s between SIGTERM and SIGKILL can be made longer",
        "that the versions of Postgres and Redis in platform.yaml are among those that Upsun offers",
    ),
    sources=("docs.upsun.com/create-apps/app-reference", "docs.upsun.com/add-services/redis.html"),
)

TYPES = {"postgres": "postgresql", "redis": "redis-persistent"}
ENDPOINTS = {"postgres": "postgresql", "redis": "redis"}


def files(target: Target) -> tuple[File, ...]:
    return (
        File(".upsun/config.yaml", yaml_text(_config(target), header=target.header)),
        File(".environment", _environment(target)),
    )


def _config(target: Target) -> dict[str, Any]:
    platform = target.platform
    config: dict[str, Any] = {"applications": {platform.name: _application(target)}}
    if services := {
        kind: {"type": f"{TYPES[kind]}:{each.version}"} for kind, each in platform.resources.items()
    }:
        config["services"] = services
    if any(each.port for each in platform.services):
        config["routes"] = {"https://{default}/": {"type": "upstream", "upstream": f"{platform.name}:http"}}
    return config


def _application(target: Target) -> dict[str, Any]:
    platform = target.platform
    web = [each for each in platform.services if each.port]
    app: dict[str, Any] = {
        "type": "python:3.14",
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
