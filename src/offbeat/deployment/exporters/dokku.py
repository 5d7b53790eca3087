"""Dokku: app.json with formation, health checks and crons, beside the Procfile, and the commands around them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.budget import SCRATCH
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import HOSTS, needed, shared_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import comment, json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target

FACTS = Facts(
    title="Dokku",
    console=Console(
        where="On the Dokku host.",
        run="dokku run <name> {command}",
        fire=(
            "`dokku cron:list <name>` shows an id for each cronjob, and `dokku cron:run <name> ID` runs that one."
        ),
        state="`dokku ps:report <name>`",
        worker="`dokku ps:scale <name> worker=1`",
        logs="`dokku logs <name> --num 100`",
        variables="`dokku config:show <name>`",
        crons="`dokku cron:list <name>`",
    ),
    proved_by="our own strict reader: app.json's documented keys; setup.sh by bash",
    files=("deploy/dokku/app.json", "deploy/dokku/setup.sh"),
    cron="`cron` of app.json",
    zone="host",
    overlap="forbidden here (`concurrency_policy`); allowed by default",
    grace_unset="30 s",
    release="`release` of the Procfile",
    scales=False,
    shows_size=True,
    hosts="from the domains that Dokku knows: setup.sh copies them once, and asks where there are none",
    resources="the postgres and redis plugins, linked by setup.sh",
    rabbitmq="the rabbitmq plugin, linked by setup.sh",
    makes_rabbitmq=True,
    servers="fixed",
    notes=(
        "hosts: a domain that comes later is added to ALLOWED_HOSTS by hand: `dokku config:set <name> ALLOWED_HOSTS=...`",
        "crons run in the time zone of the host: the lines are in UTC, so `timedatectl set-timezone UTC` there",
    ),
    sources=(
        "dokku.com/docs/processes/scheduled-cron-tasks",
        "dokku.com/docs/appendices/file-formats/app-json",
        "github.com/dokku/dokku-rabbitmq",
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
        "# Run on the Dokku host, as root; again after every export. What is there is kept.",
        "set -euo pipefail",
        "",
        'has() { grep --quiet --line-regexp "$1" <<<"$known"; }',
        "",
    ]
    return "\n".join([*lines, *_commands(target)]) + "\n"


def _commands(target: Target) -> Iterator[str]:
    app = target.platform.name
    yield f"dokku apps:exists {app} >/dev/null 2>&1 || dokku apps:create {app}"
    yield f"dokku app-json:set {app} appjson-path deploy/dokku/app.json"
    for kind, resource in target.platform.resources.items():
        server = f"{app}-{kind}"
        plugin = f"https://github.com/dokku/dokku-{kind}.git"
        yield f"dokku plugin:installed {kind} >/dev/null 2>&1 || dokku plugin:install {plugin} {kind}"
        create = f"dokku {kind}:create {server} --image-version {resource.version}"
        yield f"dokku {kind}:exists {server} >/dev/null 2>&1 || {create}"
        # Its own name for the address is RABBITMQ_URL.
        link = f"{server} {app}" + f" --alias {resource.injects.removesuffix('_URL')}" * (kind == "rabbitmq")
        yield f"dokku {kind}:linked {server} {app} >/dev/null 2>&1 || dokku {kind}:link {link}"
    grace = max(target.grace(each) for each in target.platform.services)
    yield f"dokku ps:set {app} stop-timeout-seconds {grace}"
    for service in target.platform.services:
        memory = f"--memory {service.memory} --cpu {service.cpu:g}"
        yield f"dokku resource:limit {memory} --process-type {service.name} {app}"
    yield f'dokku docker-options:add {app} deploy,run "--tmpfs /tmp:size={SCRATCH}m"'
    yield from _config(target)


# Without a domain of its own or a global one an app has none, and an empty ALLOWED_HOSTS answers every request with 400.
NO_HOSTS = """\
if ! has ALLOWED_HOSTS; then
    hosts=${{ALLOWED_HOSTS:-$(dokku domains:report {app} --domains-app-vhosts | xargs | tr ' ' ,)}}
    if [[ -z $hosts ]]; then
        echo "Dokku knows no domain of {app}. Hint: dokku domains:set {app} www.example.com, and run this again." >&2
        exit 78
    fi
    dokku config:set --no-restart {app} ALLOWED_HOSTS="$hosts"
fi"""


def _config(target: Target) -> Iterator[str]:
    app, platform = target.platform.name, target.platform
    put = f"dokku config:set --no-restart {app}"
    if values := [f"{name}={shlex.quote(value)}" for name, value in shared_values(target).items()]:
        yield " \\\n    ".join([put, *values])
    # Asked for once: a question that fails ends the script, and no key is taken for one that is not there.
    yield f"known=$(dokku config:keys {app})"
    for variable in needed(platform):
        name = variable.name
        if variable.generated:
            yield f"has {name} || {put} {name}=\"$(openssl rand -base64 48 | tr -d '\\n')\""
        elif name == HOSTS:
            yield NO_HOSTS.format(app=app)
        else:
            yield f'has {name} || {put} {name}="${{{name}:?set it before}}"'
    yield f"# git push dokku {platform.branch}:main"
