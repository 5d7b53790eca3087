"""Heroku: heroku.yml for the image, app.json for the app, and a checklist for its dashboard-only Scheduler."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import HOSTS, asked, assignment, needed, purpose, shared_values
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.first_steps import first_steps
from offbeat.deployment.exporters.plans import Plan, count_of
from offbeat.deployment.exporters.texts import code, fenced, json_text, markdown_table, source, yaml_text
from offbeat.deployment.exporters.versions import Offer
from offbeat.deployment.exporters.wakeups import plan_wake_ups, shortest_interval, times_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.exporters.wakeups import WakeUp
    from offbeat.deployment.spec import Service

# CPUs of basic and standard are shares: two of a standard-2x are twice the share of one.
PLANS = (
    Plan("basic", 1, 512, most_instances=1, group="basic"),
    Plan("standard-1x", 1, 512),
    Plan("standard-2x", 2, 1024),
    Plan("performance-m", 2, 2560),
    Plan("performance-l", 8, 14336),
    Plan("performance-l-ram", 4, 30720),
    Plan("performance-xl", 8, 63488),
    Plan("performance-2xl", 16, 129024),
)

FACTS = Facts(
    title="Heroku",
    console=Console(
        where="In a terminal on your own machine, with Heroku's command line.",
        run="heroku run --app <name> -- {command}",
        fire=(
            "Scheduler starts no job by hand: wait for its next time, and read `heroku logs --app <name>`. Its "
            "dashboard shows the last run of each job (`heroku addons:open scheduler --app <name>`)."
        ),
        state="`heroku ps --app <name>`",
        worker="`heroku ps:scale worker=1 --app <name>`",
        logs="`heroku logs --tail --app <name>`",
        variables="`heroku config --app <name>`",
        crons="`heroku addons:open scheduler --app <name>`, or `heroku triggers --app <name>`",
    ),
    proved_by="the app.json schema of npm's @heroku/mcp-server, but for newer sizes; heroku.yml by its documented keys",
    files=("heroku.yml", "app.json", "deploy/heroku/scheduler.md"),
    cron="the Scheduler add-on, by hand in its dashboard: every 10 minutes, hourly or daily; or Advanced Scheduler, by commands",
    floor=10,
    overlap="not guarded",
    drift="best effort: a run may be late, and rarely missing",
    grace=30,
    grace_unset="30 s, for every process at once",
    release="the release phase",
    scales=False,
    hosts="by itself after `heroku labs:enable runtime-dyno-metadata`; else ALLOWED_HOSTS",
    resources="add-ons, made by app.json",
    rabbitmq="the add-on CloudAMQP, made by app.json",
    makes_rabbitmq=True,
    versions={"postgres": Offer(("17", "16")), "redis": Offer(("7.2",), "Valkey")},
    plans=PLANS,
    servers="fixed",
    notes=(
        "since February 2026 Heroku is in sustaining engineering: it is kept running and safe, and gets no new features",
        "Advanced Scheduler is another add-on: it takes the cron lines as they are, and the checklist has the commands for it",
        "the size `basic` is for one dyno of each process: with more, or with more memory, all get another size",
        "dynos restart once a day: running jobs return to the queue, as in a deploy",
        (
            "Redis comes with a self-signed certificate: REDIS_TLS_VERIFY is false here, so the line is encrypted, "
            "but nothing proves which server answers"
        ),
        (
            "an app.json with `stack: container` is refused by the JSON Schema in npm's @heroku/mcp-server, "
            "and taken by Heroku"
        ),
    ),
    assumed=frozenset({"zone", "overlap", "versions", "plans"}),
    unverified=(
        "how Advanced Scheduler names the size of a `basic` dyno, and whether it guards against overlap",
        "that Scheduler counts in UTC and does not guard against overlap (old sources only)",
        "whether Heroku has a PostgreSQL newer than 17, and a Valkey newer than 7.2, which is all that its add-on gives",
        "how many CPUs a dyno has (Heroku states shares; memory is documented)",
    ),
    sources=(
        "devcenter.heroku.com/articles/build-docker-images-heroku-yml",
        "devcenter.heroku.com/articles/scheduler",
        "devcenter.heroku.com/articles/advanced-scheduler; github.com/oavanruiten/advanced-scheduler (its commands)",
        "devcenter.heroku.com/articles/dyno-types",
        "devcenter.heroku.com/articles/heroku-postgres-version-support",
    ),
)

# SIGTERM reaches every process of a dyno, pool children too: remapped, they leave the stopping to their parent.
# Only together with CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT: alone it would be a cold shutdown.
WORKER_SIGNALS = {"REMAP_SIGTERM": "SIGQUIT"}
# heroku-redis signs its own certificates.
REDIS_TLS = {"REDIS_TLS_VERIFY": "false"}


def files(target: Target) -> tuple[File, ...]:
    return (
        File("heroku.yml", yaml_text(_heroku_yml(target), header=target.header)),
        File("app.json", json_text(_app_json(target))),
        File("deploy/heroku/scheduler.md", _checklist(target)),
    )


def _heroku_yml(target: Target) -> dict[str, Any]:
    platform = target.platform
    first = next((each for each in platform.services if each.port), platform.services[0]).name
    document: dict[str, Any] = {
        "setup": {"addons": _addons(target)},
        "build": {"docker": {first: "Dockerfile"}},
    }
    if platform.release:
        document["release"] = {"image": first, "command": [platform.release]}
    document["run"] = {
        each.name: each.command if each.name == first else {"image": first, "command": [each.command]}
        for each in platform.services
    }
    return document


def _addons(target: Target) -> list[dict[str, str]]:
    plans = {
        "postgres": "heroku-postgresql:essential-0",
        "redis": "heroku-redis:mini",
        "rabbitmq": "cloudamqp:lemur",
    }
    addons = [
        {"plan": plans[kind], "as": resource.injects.removesuffix("_URL")}
        for kind, resource in target.platform.resources.items()
    ]
    return addons + ([{"plan": "scheduler:standard"}] if target.wake_ups else [])


def _app_json(target: Target) -> dict[str, Any]:
    platform = target.platform
    return {
        "name": platform.name,
        "description": " ".join(target.header.splitlines()),
        **source(platform),
        "stack": "container",
        "addons": [_versioned(target, each) for each in _addons(target)],
        "env": _env(target),
        "formation": {
            each.name: {"quantity": _count(target, each), "size": target.plan_of(each).name}
            for each in platform.services
        },
    }


def _env(target: Target) -> dict[str, dict[str, Any]]:
    """Give the config vars, which all processes of an app share."""
    env: dict[str, dict[str, Any]] = {}
    for variable in asked(target.platform):
        required = variable.required and variable.name != HOSTS
        env[variable.name] = {"description": purpose(variable), "required": required}
        if variable.generated:
            env[variable.name] = {"description": purpose(variable), "generator": "secret"}
    known = shared_values(target)
    if any(each.queues for each in target.platform.services):
        known |= WORKER_SIGNALS
    if target.platform.resources.redis:
        known |= REDIS_TLS
    return env | {name: {"value": value} for name, value in known.items()}


def _checklist(target: Target) -> str:
    lines = [
        "# Heroku, by hand",
        "",
        target.header,
        "",
        "Once, in a terminal:",
        "",
        fenced(_commands(target)),
        "",
        *_variables(target),
        "Then `heroku addons:open scheduler`, and **Add Job** for each line. Times are in UTC.",
        "",
    ]
    rows = [[each.name, *preset, code(each.command)] for each in target.wake_ups for preset in _presets(each)]
    table = markdown_table(["Cronjob", "Schedule", "Late by at most", "Run Command"], rows)
    steps = first_steps(target.facts, target.platform.name, "../../docs/offbeat")
    return "\n".join(lines) + "\n" + table + _advanced(target) + "\n" + steps


VARIABLES = """\
Put your own values where the command says `...`. The *required* variables of this table are in it already. Add the *optional*
ones that you want to the same command: each `config:set` restarts the app. On Windows type the commands in Git Bash, and
`python` in place of `python3`.
"""
ADVANCED = """
## In its place: Advanced Scheduler

This add-on takes cron lines as they are, rounds none to ten minutes, and has a command line of its own. Use one of the two.
Each line makes a trigger anew: `heroku triggers --app {name}` shows those that are there. `--dyno` is the size of your dynos.
"""


def _advanced(target: Target) -> str:
    """Give the same wake-ups, on the minute, for the add-on that takes cron lines."""
    if not target.wake_ups:
        return ""
    exact, _ = plan_wake_ups(target.platform, replace(target.facts, floor=1), target.options.tick)
    install = ("heroku addons:create advanced-scheduler", "heroku plugins:install advanced-scheduler")
    commands = fenced([*install, *(_trigger(target, each) for each in exact)])
    return f"{ADVANCED.format(name=target.platform.name)}\n{commands}\n"


def _trigger(target: Target, wake_up: WakeUp) -> str:
    where = f"--app {target.platform.name} --name {wake_up.name} --frequencyType recurring --dyno Standard-1X"
    command = shlex.quote(wake_up.command)
    return f"heroku triggers:create {where} --schedule '{wake_up.line}' --timezone UTC --timeout 120 --value {command}"


def _commands(target: Target) -> Iterator[str]:
    yield f"heroku apps:create {target.platform.name} --stack container"
    for addon in _addons(target):
        version = _options(target, addon)
        yield f"heroku addons:create {addon['plan']}{_alias(addon)}" + (
            f" --version={version}" if version else ""
        )
    yield "heroku labs:enable runtime-dyno-metadata  # the app's own host name, for ALLOWED_HOSTS"
    # Until they are there, their variables are not, and the release would fail.
    yield "heroku addons:wait"
    yield " \\\n  ".join(["heroku config:set", *_assignments(target)])
    yield f"git push heroku {target.platform.branch}:main"
    scale = " ".join(
        f"{each.name}={_count(target, each)}:{target.plan_of(each).name}" for each in target.platform.services
    )
    yield f"heroku ps:scale {scale}"


def _assignments(target: Target) -> Iterator[str]:
    """Give all variables for one command: each command restarts every dyno."""
    for name, entry in _env(target).items():
        if "value" in entry:
            yield f"{name}={shlex.quote(entry['value'])}"
    yield from (assignment(each) for each in needed(target.platform) if each.name != HOSTS)


def _variables(target: Target) -> Iterator[str]:
    """Say what is to be filled in, and what else may be set."""
    rows = [
        [f"`{each.name}`", purpose(each)]
        for each in asked(target.platform)
        if each.name != HOSTS and not each.generated
    ]
    if rows:
        yield f"{VARIABLES}\n{markdown_table(['Variable', 'What it is'], rows)}"


def _count(target: Target, service: Service) -> int:
    return count_of(service, target.plan_of(service))


def _options(target: Target, addon: dict[str, str]) -> str | None:
    """Give the version of an add-on where one can be asked for: that of its Key-Value Store is always the newest."""
    return target.version_of("postgres") if addon["plan"].startswith("heroku-postgresql") else None


def _versioned(target: Target, addon: dict[str, str]) -> dict[str, Any]:
    version = _options(target, addon)
    return addon | ({"options": {"version": version}} if version else {})


def _alias(addon: dict[str, str]) -> str:
    return f" --as {addon['as']}" if "as" in addon else ""


def _presets(wake_up: WakeUp) -> Iterator[list[str]]:
    """Give Scheduler's presets that together come at or after every time of a cron line, and how late they may be."""
    times = times_of_day(wake_up.line)
    if len(times) <= 4 and shortest_interval(wake_up.line) >= 30:
        for time in times:
            at = -(-time // 30) * 30 % (24 * 60)
            yield [f"Every day at... {at // 60:02}:{at % 60:02}", f"{-time % 30} min"]
    elif len({time % 60 for time in times}) == 1:
        minute = times[0] % 60
        at = -(-minute // 10) * 10 % 60
        yield [f"Every hour at... :{at:02}", f"{-minute % 10} min"]
    else:
        yield ["Every 10 minutes", "10 min"]
