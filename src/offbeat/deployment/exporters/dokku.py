"""Dokku: app.json with formation, health checks and crons, beside the Procfile, and the commands around them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.budget import SCRATCH
from offbeat.deployment.exporters.environment import needed, shared_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import comment, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target

FACTS = Facts(
    title="Dokku",
    proved_by="a reader of ours, strict: app.json's documented keys; setup.sh by bash",
    files=("deploy/dokku/app.json", "deploy/dokku/setup.sh"),
    cron="`cron` of app.json",
    zone="host",
    overlap="forbidden here (`concurrency_policy`); allowed by default",
    grace_unset="30 s",
    release="`release` of the Procfile",
    scales=False,
    shows_size=True,
    hosts="from the domains that Dokku knows: setup.sh copies them",
    resources="the postgres and redis plugins, linked by setup.sh",
    servers="fixed",
    notes=(
        "crons run in the time zone of the host: the lines are in UTC, so `timedatectl set-timezone UTC` there",
    ),
    sources=(
        "dokku.com/docs/processes/scheduled-cron-tasks",
        "dokku.com/docs/appendices/file-formats/app-json",
    ),
)


def files(target: Target) -> tuple[File, ...]:
    return (
        File("deploy/dokku/app.json", json_text(_app_json(target))),
        File("deploy/dokku/setup.sh", _setup(target)),
    )


def _app_json(target: Target) -> dict[str, Any]:
    services = target.platform.services
    # A worker's quantity is 0 unless it is said.
    document: dict[str, Any] = {
        "name": target.platform.name,
        "description": " ".join(target.header.splitlines()),
        "formation": {each.name: {"quantity": max(each.instances.min, 1)} for each in services},
    }
    checks = {each.name: [_check(each.health)] for each in services if each.port and each.health}
    if checks:
        document["healthchecks"] = checks
    if target.wake_ups:
        document["cron"] = [
            {"command": each.command, "schedule": each.line, "concurrency_policy": "forbid"}
            for each in target.wake_ups
        ]
    return document


def _check(path: str | None) -> dict[str, Any]:
    return {"type": "startup", "name": "answers", "path": path, "attempts": 10, "wait": 3}


def _setup(target: Target) -> str:
    lines = [
        "#!/usr/bin/env bash",
        comment(target.header).rstrip(),
        "# Run once on the Dokku host.",
        "set -euo pipefail",
        "",
    ]
    return "\n".join([*lines, *_commands(target)]) + "\n"


def _commands(target: Target) -> Iterator[str]:
    app = target.platform.name
    yield f"dokku apps:create {app}"
    yield f"dokku app-json:set {app} appjson-path deploy/dokku/app.json"
    for kind, resource in target.platform.resources.items():
        yield f"dokku plugin:install https://github.com/dokku/dokku-{kind}.git || true"
        yield f"dokku {kind}:create {app}-{kind} --image-version {resource.version}"
        yield f"dokku {kind}:link {app}-{kind} {app}"
    grace = max(target.grace(each) for each in target.platform.services)
    yield f"dokku ps:set {app} stop-timeout-seconds {grace}"
    for service in target.platform.services:
        memory = f"--memory {service.memory} --cpu {service.cpu:g}"
        yield f"dokku resource:limit {memory} --process-type {service.name} {app}"
    yield f'dokku docker-options:add {app} deploy,run "--tmpfs /tmp:size={SCRATCH}m"'
    yield from _config(target)


def _config(target: Target) -> Iterator[str]:
    app, platform = target.platform.name, target.platform
    for name, value in shared_values(target).items():
        yield f"dokku config:set --no-restart {app} {name}={shlex.quote(value)}"
    for variable in needed(platform):
        if variable.generated:
            yield f"dokku config:set --no-restart {app} {variable.name}=\"$(openssl rand -base64 48 | tr -d '\\n')\""
        elif variable.name == "ALLOWED_HOSTS":
            hosts = f"\"$(dokku domains:report {app} --domains-app-vhosts | tr ' ' ,)\""
            yield f"dokku config:set --no-restart {app} {variable.name}={hosts}"
        else:
            yield f'dokku config:set --no-restart {app} {variable.name}="${{{variable.name}:?set it before}}"'
    yield f"# git push dokku {platform.branch}:main"
