"""System checks: cronjobs that take no part in slots, policies that are none, tasks that has no time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  Django's own name for it
from django.core.management import get_commands

from offbeat.cronjobs import entries
from offbeat.cronjobs.conditions import longest_run
from offbeat.cronjobs.conf import CronjobsConf
from offbeat.cronjobs.policies import name_of_late_after

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST_SECRET = (
    20  # characters; what `openssl rand -base64 15` gives, and more than anybody guesses over HTTP
)


@register("cronjobs")
def check_cronjobs(**_: Any) -> Iterator[CheckMessage]:
    try:
        cronjobs = entries.in_file()
    except entries.ConfigurationError:
        return  # offbeat_deployment.E001 says it
    for cronjob in cronjobs:
        if entries.management_line(cronjob).partition(" ")[0] in get_commands():
            yield from check_entry(cronjob)


def check_entry(cronjob: Any) -> Iterator[CheckMessage]:
    from offbeat.cronjobs import call_checks  # noqa: PLC0415  of checks only: no wake-up pays for it

    where = f"platform.yaml: cronjobs/{cronjob.name}"
    try:
        entry = entries.load_entry(cronjob)
    except entries.ConfigurationError as error:
        yield Error(
            str(error),
            hint="Run a subclass of offbeat.cronjobs.EnqueueCommand, with arguments that it takes.",
            id="offbeat_cronjobs.E001",
        )
        return
    try:
        entry.policies  # noqa: B018  raises for those that are none
    except entries.ConfigurationError as error:
        yield Error(
            str(error),
            hint="docs/offbeat/cronjob-policies.md explains each policy.",
            id="offbeat_cronjobs.E003",
        )
    if name_of_late_after(entry.command) == "grace":
        yield Warning(
            f"{where}: the policy grace of {entry.line.split()[0]} is now called late_after.",
            hint="Rename the attribute: late_after = timedelta(minutes=5).",
            id="offbeat_cronjobs.W002",
        )
    yield from call_checks.check_names(entry, where)
    if not hasattr(entry.command, "task"):
        yield Error(
            f"{where}: its command {entry.line.split()[0]} has no task.",
            hint="Set the task that it enqueues: task = send_weekly_digest.",
            id="offbeat_cronjobs.E005",
        )
        return
    if unfit := list(call_checks.check_task(entry, where)):
        yield from unfit
        return
    yield from call_checks.check_arguments(entry, where)
    if longest_run(entry) is None:
        yield Error(
            f"{where}: its task {entry.command.task.name} has no time limit.",
            hint="Give it a time_limit: @shared_task(time_limit=600).",
            id="offbeat_cronjobs.E002",
        )


@register("cronjobs")
def check_settings(**_: Any) -> Iterator[CheckMessage]:
    yield from CronjobsConf.find_errors("offbeat_cronjobs.E004")
    if 0 < len(settings.CRON_SECRET) < SHORTEST_SECRET:
        yield Warning(
            f"CRON_SECRET has {len(settings.CRON_SECRET)} characters.",
            hint=f"Anyone who guesses it can trigger cronjobs: use at least {SHORTEST_SECRET}.",
            id="offbeat_cronjobs.W001",
        )
