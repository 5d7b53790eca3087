"""`manage.py cronjobs`: how every cronjob is, in a table; and pause, resume, run, forget."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError

from offbeat.cronjobs import controls, entries, exit_codes, output, statuses, table
from offbeat.cronjobs.models import CronJob

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.core.management.base import CommandParser


class Command(exit_codes.SysexitsCommand):
    help = "Show the state of every cronjob; or pause, resume, run or forget one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action", nargs="?", choices=["show", "pause", "resume", "run", "forget"], default="show"
        )
        parser.add_argument("name", nargs="?", help="of the cronjob to pause, resume, run or forget")
        parser.add_argument(
            "--by", default="the command line", help="the name of the person who pauses: it is recorded"
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, action: str, name: str | None, **options: Any) -> None:
        if (action == "show") is bool(name):
            raise CommandError(
                f'"{action}" takes {"no name" if name else "the name of a cronjob"}',
                returncode=exit_codes.USAGE,
            )
        with exit_codes.as_exit_codes("cronjobs"):
            self.stdout.write(show(options) if name is None else ACTIONS[action](name, options))


def show(options: Mapping[str, Any]) -> str:
    found = statuses.reports()
    unknown = table.not_known_yet(entries.in_file(), found)
    return json.dumps(table.as_json(found)) if options["json"] else table.text(found, unknown)


def pause(name: str, options: Mapping[str, Any]) -> str:
    return (
        f"{name}: {'paused' if decide_by_name(controls.pause, name, options['by']) else 'was paused already'}"
    )


def resume(name: str, options: Mapping[str, Any]) -> str:
    return f"{name}: {'goes on' if decide_by_name(controls.resume, name) else 'was not paused'}"


def run(name: str, options: Mapping[str, Any]) -> str:
    return output.line(controls.run_now(entries.find_known(name), options["by"]))


def forget(name: str, options: Mapping[str, Any]) -> str:
    if decide_by_name(controls.forget, name):
        return f"{name}: forgotten; its history is kept"
    return f"{name}: is not a dashboard cronjob: remove it from platform.yaml"


def decide_by_name(decide: Any, name: str, *arguments: str) -> bool:
    try:
        return bool(decide(name, *arguments))
    except CronJob.DoesNotExist:
        known = ", ".join(CronJob.objects.order_by("pk").values_list("pk", flat=True)) or "none"
        raise entries.UnknownCronjobError(f"the ledger has no cronjob {name}; it has: {known}") from None


ACTIONS = {"pause": pause, "resume": resume, "run": run, "forget": forget}
