"""Scalingo: cron.json, scalingo.json and a Procfile of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import asked, purpose, shared_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.plans import Plan, count_of
from offbeat.deployment.exporters.texts import json_text, source
from offbeat.deployment.exporters.versions import Offer

if TYPE_CHECKING:
    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

# Every container may use all CPUs of its host; the larger ones go first where they are scarce.
PLANS = tuple(
    Plan(name, math.inf, memory, most_instances=10)
    for name, memory in (("S", 256), ("M", 512), ("L", 1024), ("XL", 2048), ("2XL", 4096), ("3XL", 8192))
)

FACTS = Facts(
    title="Scalingo",
    console=Console(
        where="In a terminal on your own machine, with Scalingo's command line.",
        run="scalingo --app <name> run {command}",
        fire=(
            "Scalingo starts no task by hand: wait for its next time. `scalingo --app <name> cron-tasks` shows it."
        ),
        state="`scalingo --app <name> ps`",
        worker="`scalingo --app <name> scale worker:1`",
        logs="`scalingo --app <name> logs --lines 100`",
        variables="`scalingo --app <name> env`",
        crons="`scalingo --app <name> cron-tasks`",
    ),
    proved_by="our own strict reader: the documented keys of scalingo.json and cron.json",
    files=("cron.json", "scalingo.json", "deploy/scalingo/Procfile"),
    cron="cron.json, at most five tasks",
    floor=10,
    expands=r"^\$\w+",
    most_crons=5,
    overlap="two runs may overlap for a moment; the old one is killed",
    drift="at most 10 % of the interval, and 20 minutes at most",
    grace=30,
    grace_unset="30 s",
    release="`postdeploy` of the Procfile",
    release_is_before=False,
    release_effect=(
        "release: runs after the new containers have started. A worker may find a database that is not migrated yet, "
        "so a migration must suit the old code and the new"
    ),
    scales=False,
    hosts="ALLOWED_HOSTS",
    resources="add-ons, made by scalingo.json",
    servers="fixed",
    versions={"postgres": Offer(("17", "16", "15", "14")), "redis": Offer(("7.2", "6.2"))},
    plans=PLANS,
    notes=(
        "cronjobs: Scalingo does not guarantee that a task runs: a worker enqueues a missed slot, some minutes later",
        "it builds from the source with a buildpack, not from the Dockerfile",
        "deploy/scalingo/Procfile takes the place of the one at the root: Scalingo knows no `release` process",
    ),
    unverified=("that Redis' certificate is signed by an authority that the app knows, where TLS is on",),
    sources=(
        "doc.scalingo.com/platform/app/task-scheduling/scalingo-scheduler",
        "doc.scalingo.com/platform/app/app-manifest",
        "doc.scalingo.com/platform/internals/container-sizes",
        "doc.scalingo.com/databases/postgresql/about/overview",
        "doc.scalingo.com/databases/redis/start",
    ),
)


def files(target: Target) -> tuple[File, ...]:
    written = [
        File("scalingo.json", json_text(_manifest(target))),
        File("deploy/scalingo/Procfile", _procfile(target)),
    ]
    if target.wake_ups:
        jobs = [{"command": f"{each.line} {each.command}"} for each in target.wake_ups]
        written.insert(0, File("cron.json", json_text({"jobs": jobs})))
    return tuple(written)


def _manifest(target: Target) -> dict[str, Any]:
    platform = target.platform
    plans = {"postgres": "postgresql:postgresql-starter-512", "redis": "redis:redis-starter-256"}
    return {
        "name": platform.name,
        "description": " ".join(target.header.splitlines()),
        **source(platform),
        "env": _env(target),
        "addons": [
            {"plan": plans[kind], "options": {"version": target.version_of(kind)}}
            for kind in platform.resources.kinds
        ],
        "formation": {each.name: _formation(target, each) for each in platform.services},
    }


def _formation(target: Target, service: Service) -> dict[str, Any]:
    plan = target.plan_of(service)
    return {"amount": count_of(service, plan), "size": plan.name}


def _env(target: Target) -> dict[str, Any]:
    platform = target.platform
    env: dict[str, Any] = {}
    for variable in asked(platform):
        entry = {"generator": "secret"} if variable.generated else {"required": variable.required}
        env[variable.name] = {"description": purpose(variable), **entry}
    env |= {name: {"value": value} for name, value in shared_values(target).items()}
    if platform.resources.redis:
        # Scalingo sets both; by its own name it survives a second Redis add-on.
        env["REDIS_URL"] = {"value": "$SCALINGO_REDIS_URL"}
    return env


def _procfile(target: Target) -> str:
    lines = [f"{each.name}: {each.command}" for each in target.platform.services]
    lines += [f"postdeploy: {target.platform.release}"] if target.platform.release else []
    return "\n".join(lines) + "\n"
