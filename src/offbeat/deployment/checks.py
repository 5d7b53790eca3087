"""Django system checks that compare platform.yaml with the code: they run with every `manage.py check`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004 - Django's own name
from django.core.management import get_commands

from offbeat.deployment import other_files, spec
from offbeat.deployment.beat import beats
from offbeat.deployment.budget import overdrafts
from offbeat.deployment.env_use import read_variables, required_variables
from offbeat.deployment.kinds import nearest
from offbeat.deployment.pools import other_pools
from offbeat.deployment.queues import routed_queues
from offbeat.env import OURS

Check = Callable[[spec.Platform], Iterator[CheckMessage]]
BROKERS = {"REDIS_URL", "BROKER_URL"}  # one of them is enough
ALIKE = 0.9  # LOG_LEVL is LOG_LEVEL, and DATABASE_URL_OF_READS is one of its own


@register("deployment")
def check_deployment(**_: Any) -> list[CheckMessage]:
    """Check platform.yaml by itself; when it reads, check it against the code."""
    try:
        platform = spec.read()
    except spec.PlatformError as error:
        hint = "docs/offbeat/platform-yaml.md lists every key."
        return [Error(line, hint=hint, id="offbeat_deployment.E001") for line in error.errors]
    return [message for check in CHECKS for message in check(platform)]


def cronjob_commands(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a cronjob whose command is not a management command that exists (E002)."""
    known = get_commands()
    for cronjob in platform.cronjobs:
        name = management_command(cronjob.argv)
        where = f"platform.yaml: cronjobs/{cronjob.name}/command"
        if name is None:
            yield Error(
                f'{where}: should be "python manage.py ...", got "{cronjob.command}"',
                hint="Put the work into a management command: only these have slots and exit codes.",
                id="offbeat_deployment.E002",
            )
        elif name not in known:
            yield Error(
                f'{where}: should be a management command, got "{name}"{nearest(name, list(known))}',
                hint=command_hint(name),
                id="offbeat_deployment.E002",
            )


def command_hint(name: str) -> str:
    """Say how Django gets to know a command; most often its file is there, and its app is not installed."""
    root = spec.PLATFORM_FILE.parent
    for path in sorted(root.glob(f"src/*/management/commands/{name}.py")):
        app = path.parents[2].name
        return f'{path.relative_to(root)} exists: add "{app}" to INSTALLED_APPS in src/config/settings.py.'
    return f"Add src/<app>/management/commands/{name}.py, of an app in INSTALLED_APPS, or correct the name."


def management_command(argv: list[str]) -> str | None:
    """Give the management command that a command line runs, or None."""
    program, *rest = argv
    if re.fullmatch(r"(.*/)?python[\d.]*", program) and rest and rest[0].endswith("manage.py"):
        return rest[1] if len(rest) > 1 else None
    return None


def no_beat(_: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse Celery Beat anywhere (E003)."""
    for problem in beats(spec.PLATFORM_FILE.parent, settings):
        hint = (
            "Run python manage.py import_beat, which prints the entries for platform.yaml; then remove this."
        )
        yield Error(problem, hint=hint, id="offbeat_deployment.E003")


def grace_outlasts_stop(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a grace that ends before the worker has waited for its jobs and handed the rest back (E004)."""
    soft = getattr(settings, "CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT", 0)
    stop = max(soft, getattr(settings, "OFFBEAT_JOBS", {}).get("drain", 0))
    for service in platform.services:
        if service.queues and service.grace <= stop:
            yield Error(
                f"platform.yaml: services/{service.name}/grace: should be more than the {stop:g} s that a stopping "
                f"worker waits for its jobs, got {service.grace}",
                hint=f"Set WORKER_GRACE={service.grace}, as exports do, or increase grace in platform.yaml.",
                id="offbeat_deployment.E004",
            )


def queues_are_consumed(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a queue that a task is routed to and no service consumes (E005)."""
    consumed = {queue for service in platform.services for queue in service.queues}
    for queue, who in sorted(routed_queues().items()):
        if queue not in consumed:
            yield Error(
                f'platform.yaml: services: no service consumes the queue "{queue}", which {who} uses',
                hint=f"Add {queue} to a service's queues and to its command's --queues.",
                id="offbeat_deployment.E005",
            )


def env_is_complete(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a variable that the settings require and the file does not provide to every process (E006)."""
    injected = set(platform.resources.injected)
    provided = injected | {
        each.name for each in platform.env_of("") if each.required or each.generated or each.default
    }
    missing = required_variables() - provided
    if missing & BROKERS and not provided & BROKERS:
        yield Error(
            "platform.yaml: resources: should have redis or rabbitmq: jobs need one to reach a worker",
            hint="For one elsewhere, or Amazon SQS, write REDIS_URL or BROKER_URL: {required: true, secret: true} under env.",
            id="offbeat_deployment.E006",
        )
    for name in sorted(missing - BROKERS):
        yield Error(
            f"platform.yaml: env/{name}: should be required, generated or with a default: every process needs it",
            hint="A worker or a cronjob without it would not start.",
            id="offbeat_deployment.E006",
        )


def env_is_used(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Warn of a variable that nothing reads, and that looks like one that is read or begins like ours (W007).

    Others are for libraries, like AWS_ACCESS_KEY_ID: their source is nobody's to search.
    """
    used = read_variables()
    for variable in platform.env:
        if variable.name not in used and (meant := _meant(variable.name, used)) is not None:
            yield Warning(
                f"platform.yaml: env/{variable.name}: nothing reads it{meant}",
                hint="Remove it, or correct the name.",
                id="offbeat_deployment.W007",
            )


def _meant(name: str, used: AbstractSet[str]) -> str | None:
    """Return what to say of the variable that is meant, None where none is."""
    is_ours = name.startswith(OURS)
    alike = get_close_matches(name, sorted(used), 1, 0.6 if is_ours else ALIKE)
    return f" (did you mean {alike[0]}?)" if alike else "" if is_ours else None


def connections_suffice(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse more connections than a server's plan allows, where the file says how many those are (E008)."""
    for problem in overdrafts(platform):
        hint = "Lower WEB_CONCURRENCY, WEB_THREADS, WORKER_CONCURRENCY or instances, or choose a larger plan."
        yield Error(f"platform.yaml: {problem}", hint=hint, id="offbeat_deployment.E008")


def pools_are_supported(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a worker's pool that is not supported anywhere (E009); offbeat_jobs.E010 looks at the settings."""
    for problem in other_pools(platform, spec.PLATFORM_FILE.parent):
        hint = (
            "Leave it out for prefork, Celery's own default; docs/offbeat/pools.md says which pool fits what."
        )
        yield Error(problem, hint=hint, id="offbeat_deployment.E009")


def compose_has_the_name(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Warn of a compose file for a developer's machine that calls the project something else (W010)."""
    for file, name in other_files.project_names(spec.PLATFORM_FILE.parent):
        if name != platform.name:
            yield Warning(
                f'{file}: name: should be "{platform.name}", as platform.yaml has it, got "{name}"',
                hint="Two projects with the same name would share containers and volumes.",
                id="offbeat_deployment.W010",
            )


def gunicorn_starts(platform: spec.Platform) -> Iterator[CheckMessage]:
    """Refuse a WEB_CONCURRENCY that gunicorn itself would read, and fail to (E011)."""
    given = os.environ.get("WEB_CONCURRENCY", "1").strip()
    for service in platform.services:
        if service.argv[0].endswith("gunicorn") and not given.isdigit():
            yield Error(
                f"platform.yaml: services/{service.name}/command: gunicorn reads WEB_CONCURRENCY first, and "
                "accepts only digits",
                hint="Start it with: python src/offbeat/gunicorn.py. Or unset the variable.",
                id="offbeat_deployment.E011",
            )


def image_knows_process(_: spec.Platform) -> Iterator[CheckMessage]:
    """Warn of an export that counts on PROCESS beside a Dockerfile of before, whose image starts web whatever it says (W012)."""
    root = spec.PLATFORM_FILE.parent
    problem = other_files.ignores_process(root)
    for file in other_files.process_users(root) if problem else ():
        yield Warning(
            f"Dockerfile: {problem}, and {file} relies on PROCESS: every container would run web",
            hint="Copy the lines of docs/offbeat/containers.md#one-image-that-chooses.",
            id="offbeat_deployment.W012",
        )


CHECKS: tuple[Check, ...] = (
    cronjob_commands,
    no_beat,
    grace_outlasts_stop,
    queues_are_consumed,
    env_is_complete,
    env_is_used,
    connections_suffice,
    pools_are_supported,
    compose_has_the_name,
    gunicorn_starts,
    image_knows_process,
)
