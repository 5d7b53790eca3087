"""Nomad: one service job, a periodic batch job for each cronjob, and the script that hands them over."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from offbeat.deployment.budget import SCRATCH
from offbeat.deployment.exporters.console import Console
from offbeat.deployment.exporters.environment import fixed_values, needed
from offbeat.deployment.exporters.export import File
from offbeat.deployment.exporters.facts import Facts
from offbeat.deployment.exporters.texts import comment, json_text
from offbeat.variables.weak_secrets import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import Service

FACTS = Facts(
    title="Nomad",
    console=Console(
        where=(
            "In a terminal on your own machine, with `nomad`. `nomad job allocs -namespace <name> <name>` shows "
            "the allocations: take one of the task group `web`."
        ),
        run='nomad alloc exec -namespace <name> -task web "$ALLOCATION" {command}',
        opens=("ALLOCATION=...",),
        fire="`nomad job periodic force -namespace <name> <name>-prune-jobs`.",
        state="`nomad job status -namespace <name> <name>`",
        worker=(
            "`nomad job run -json deploy/nomad/services.json`; `nomad alloc status` says why a task ended"
        ),
        logs='`nomad alloc logs -namespace <name> -task web "$ALLOCATION"`',
        variables="`nomad var get -namespace <name> nomad/jobs`",
        crons="`nomad job status -namespace <name> <name>-prune-jobs`",
    ),
    files=("deploy/nomad/*.json", "deploy/nomad/deploy.sh"),
    cron="a periodic batch job each",
    overlap="forbidden here (`prohibit_overlap`); allowed by default",
    grace=30,
    grace_unset="5 s",
    release="a prestart task of every service, under a lock",
    scales=False,
    hosts="ALLOWED_HOSTS",
    resources="yours; their addresses are Nomad variables",
    rabbitmq="yours",
    makes_rabbitmq=True,
    servers="own",
    notes=(
        "grace: a client cuts `kill_timeout` to its own `max_kill_timeout`, which is 30 s unless its operator raised it",
        (
            "cronjobs: their lines are in UTC: with a time zone, Nomad says that a change of the clock affects when a job runs"
        ),
        "resources: `cpu` of platform.yaml becomes 1000 MHz for each CPU: a share for the scheduler, not a limit",
        (
            "a service without a port has no health check: Nomad's own service discovery knows http and tcp checks only. "
            "With Consul, add a `script` check with the `health` command of platform.yaml"
        ),
        "deploys: a new instance of each service runs beside the old ones, which stop when all are well: leave memory for it",
        (
            "web gets a port of the client's choice: put a load balancer before it that asks Nomad for the service "
            "and sets X-Forwarded-Proto"
        ),
        "the lists of lines (`crons`) and Nomad variables need Nomad 1.6.2 or newer",
    ),
    proved_by="our own strict reader: the fields and rules of Nomad's source; deploy.sh by bash",
    unverified=("the exports on a running Nomad: field names and reading of values follow its source",),
    sources=(
        "developer.hashicorp.com/nomad/docs/job-specification",
        "github.com/hashicorp/nomad (api/, drivers/docker, client/taskenv)",
    ),
)

FOLDER = "deploy/nomad"
VARIABLES = "nomad/jobs"
"""The one path that every job of a namespace may read: so the namespace is this project's own."""
MHZ = 1000
SECOND = 10**9
"""Durations are nanoseconds in Nomad's JSON."""
# The release may wait for 600 s until tables are free, and the containers start after it.
HEALTHY, PROGRESS = 900, 1200
ONCE = {"Attempts": 0, "Mode": "fail"}
SECRETS = (
    f'{{{{ with nomadVar "{VARIABLES}" }}}}{{{{ range .Tuples }}}}'
    '{{ .K }}={{ printf "%q" .V }}\n'
    "{{ end }}{{ end }}"
)
"""A line for each item of the variable. "%q" quotes as the reader of such files expects; toJSON would write < as \\u003c."""


def files(target: Target) -> tuple[File, ...]:
    jobs = {"services": _services(target)}
    jobs |= {f"cron-{name}": _cronjob(target, name) for name in _cronjobs(target)}
    written = [File(f"{FOLDER}/{name}.json", json_text({"Job": job})) for name, job in jobs.items()]
    return (*written, File(f"{FOLDER}/deploy.sh", _deploy(target, list(jobs))))


def _cronjobs(target: Target) -> list[str]:
    return list(dict.fromkeys(each.cronjob for each in target.wake_ups))


def _job(target: Target, name: str, kind: str) -> dict[str, Any]:
    return {
        "ID": name,
        "Name": name,
        "Namespace": target.platform.name,
        "Type": kind,
        "Datacenters": ["*"],
        "Meta": {"made": " ".join(target.header.splitlines())},
    }


def _services(target: Target) -> dict[str, Any]:
    update = {
        "MaxParallel": 1,
        "MinHealthyTime": 10 * SECOND,
        "HealthyDeadline": HEALTHY * SECOND,
        "ProgressDeadline": PROGRESS * SECOND,
        "AutoRevert": True,
        # Without one, the only instance of a service is stopped before its successor's release: a failed one would leave none.
        "Canary": 1,
        "AutoPromote": True,
    }
    groups = [_group(target, each) for each in target.platform.services]
    return _job(target, target.platform.name, "service") | {"Update": update, "TaskGroups": groups}


def _group(target: Target, service: Service) -> dict[str, Any]:
    main = _task(target, service.name, service.argv, service) | {
        "KillSignal": "SIGTERM",
        "KillTimeout": target.grace(service) * SECOND,
        "Resources": _resources(service.cpu, service.memory),
    }
    group = {"Name": service.name, "Count": max(service.instances.min, 1), "Tasks": [*_release(target), main]}
    if service.port:
        main["Config"]["ports"] = ["http"]
        # "To" is the port inside; the one outside is Nomad's choice.
        group["Networks"] = [{"DynamicPorts": [{"Label": "http", "To": service.port}]}]
        group["Services"] = [_registration(target, service)]
        # From the end of its registration to SIGTERM: what asks Nomad for web has to hear of it first.
        group["ShutdownDelay"] = 5 * SECOND
    return group


def _registration(target: Target, service: Service) -> dict[str, Any]:
    """Give what Nomad's own service discovery says of web; the check decides whether a deploy is well."""
    entry: dict[str, Any] = {
        "Name": target.called(service.name),
        "Provider": "nomad",
        "PortLabel": "http",
    }
    if service.health:
        restart = {"Limit": 4, "Grace": 30 * SECOND}
        probe = {"Type": "http", "Path": service.health, "Interval": 10 * SECOND, "Timeout": 5 * SECOND}
        entry["Checks"] = [{"Name": "health", **probe, "CheckRestart": restart}]
    return entry


def _release(target: Target) -> list[dict[str, Any]]:
    """Give the task that runs before a service's own. That of two services at once is one: the second waits for the lock."""
    if not target.platform.release:
        return []
    task = _task(target, "release", shlex.split(target.platform.release), None)
    return [task | {"Lifecycle": {"Hook": "prestart", "Sidecar": False}, "RestartPolicy": ONCE}]


def _cronjob(target: Target, name: str) -> dict[str, Any]:
    mine = [each for each in target.wake_ups if each.cronjob == name]
    periodic = {
        "Enabled": True,
        "SpecType": "cron",
        "Specs": [each.line for each in mine],
        "TimeZone": "UTC",
        "ProhibitOverlap": True,
    }
    # A wake-up that failed is made good by the next, not by the same again.
    group = {
        "Name": "cronjob",
        "Count": 1,
        "RestartPolicy": ONCE,
        "ReschedulePolicy": {"Attempts": 0, "Unlimited": False},
        "Tasks": [_task(target, "cronjob", shlex.split(mine[0].command), None)],
    }
    job = _job(target, target.called(name), "batch")
    return job | {"Periodic": periodic, "TaskGroups": [group]}


def _task(target: Target, name: str, argv: list[str], service: Service | None) -> dict[str, Any]:
    values = fixed_values(target, service)
    # Nomad puts its own values in the place of ${...} in Env, and knows no way to write that; a template has none of it.
    plain = {key: value for key, value in values.items() if "${" not in value}
    lines = [f"{key}={_quoted(value)}\n" for key, value in values.items() if key not in plain]
    template = {
        "EmbeddedTmpl": "".join(lines) + SECRETS,
        "DestPath": "secrets/variables.env",
        "Envvars": True,
        # A changed variable restarts services; a job that ends by itself reads it the next time.
        "ChangeMode": "restart" if service else "noop",
    }
    return {
        "Name": name,
        "Driver": "docker",
        "Config": _container(target, argv),
        "Env": plain,
        "Templates": [template],
        "Resources": _resources(0.1, 256),
    }


def _container(target: Target, argv: list[str]) -> dict[str, Any]:
    scratch = {"type": "tmpfs", "target": "/tmp", "tmpfs_options": {"size": SCRATCH * 1024 * 1024}}  # noqa: S108
    return {
        "image": _literal(target.image),
        "command": _literal(argv[0]),
        "args": [_literal(each) for each in argv[1:]],
        "readonly_rootfs": True,
        "cap_drop": ["all"],
        "security_opt": ["no-new-privileges"],
        "mount": [scratch],
        # The image's own is for web, and Nomad looks at none.
        "healthchecks": {"disable": True},
    }


def _resources(cpu: float, memory: int) -> dict[str, int]:
    return {"CPU": round(cpu * MHZ), "MemoryMB": memory}


def _literal(text: str) -> str:
    """Write text of a driver's config, which Nomad reads as a template of HCL."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _quoted(value: str) -> str:
    """Write a value as the reader of a template's variables wants it, which knows four escapes; {{ would begin an action."""
    for sign, escape in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        value = value.replace(sign, escape)
    return '"' + value.replace("{{", '{{ "{{" }}') + '"'


DEPLOY = """\
#!/usr/bin/env bash
{header}
# For each deploy, and after each export. Needs NOMAD_ADDR, and NOMAD_TOKEN where the cluster asks for one.
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"

nomad namespace apply -description {name} {name}
if ! nomad var get -namespace {name} -out none {path} >/dev/null 2>&1; then
    # The first time: index 0 makes it and overwrites none. To change one: nomad var get -out json, edit, nomad var put.
    nomad var put -check-index 0 -namespace {name} {path} \\
        {items}
fi
"""


def _deploy(target: Target, jobs: list[str]) -> str:
    name = target.platform.name
    items = " \\\n        ".join(_items(target)) or '"NAME=value"'
    text = DEPLOY.format(header=comment(target.header).rstrip(), name=name, path=VARIABLES, items=items)
    return text + "".join(f"nomad job run -json {each}.json\n" for each in jobs)


def _items(target: Target) -> Iterator[str]:
    for name in target.platform.resources.injected:
        yield f'{name}="${{{name}:?is the address of a server}}"'
    for variable in needed(target.platform):
        value = f"$({RECIPE})" if variable.generated else f"${{{variable.name}:?is required}}"
        yield f'{variable.name}="{value}"'
