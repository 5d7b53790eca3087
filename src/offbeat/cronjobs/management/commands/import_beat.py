"""`manage.py import_beat`: the way off Celery Beat."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError
from django.db import DatabaseError

from offbeat.cronjobs import entries
from offbeat.cronjobs.beat import command_files, discovery, replacement, rows, sources
from offbeat.cronjobs.beat.names import Names
from offbeat.cronjobs.beat.platform_entries import as_yaml
from offbeat.cronjobs.exit_codes import SysexitsCommand
from offbeat.redaction import first_line

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

NEXT = "docs/offbeat/leaving-beat.md says what is next."


class Command(SysexitsCommand):
    help = "Print Beat's entries (CELERY_BEAT_SCHEDULE, django-celery-beat) as cronjobs of platform.yaml, and write their commands."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--write", action="store_true", help="write the command files; those that exist are left alone"
        )
        parser.add_argument(
            "--folder", type=Path, help="for all command files; without it, the app that each task is in"
        )
        parser.add_argument(
            "--rows",
            type=Path,
            metavar="FILE",
            help="rows of django-celery-beat, as manage.py dumpdata django_celery_beat prints them; without it, its tables",
        )

    def handle(self, *, write: bool, folder: Path | None, rows: Path | None, **_: Any) -> None:
        problems = discovery.load()
        found, more = sources.find_all(self._rows(rows, problems))
        problems += more
        cronjobs = self._cronjobs(problems)
        plan = replacement.plan(found, Names(cronjobs, _names_of_others()), folder)
        self.stdout.write(as_yaml(plan, cronjobs, problems))
        files = [command_files.deliver(each, write=write) for each in plan.replacements]
        for line, _done in files:
            self.stderr.write(line)
        if folder and (problem := command_files.misplaced(folder)):
            self.stderr.write(problem)
        if plan.replacements and all(each.written and each.name in cronjobs for each in plan.replacements):
            self.stderr.write(
                "Nothing is new: each cronjob is in platform.yaml, and each command has its file."
            )
        self.stderr.write(f"{len(plan.replacements)} taken over, {len(plan.left)} not. {NEXT}")
        self._end(plan, problems, unwritten=sum(not done for _, done in files))

    def _rows(self, dump: Path | None, problems: list[str]) -> list[Any]:
        try:
            return rows.found_rows(rows.in_dump(dump) if dump else rows.in_tables())
        except DatabaseError as error:
            problems.append(f"the tables of django-celery-beat: {first_line(error)}")
            return []

    def _cronjobs(self, problems: list[str]) -> dict[str, Any]:
        try:
            return {each.name: each for each in entries.in_file()}
        except entries.ConfigurationError as error:
            problems.append(
                f"platform.yaml, so names that it has may be printed: {' '.join(str(error).split())}"
            )
            return {}

    def _end(self, plan: replacement.Takeover, problems: list[str], unwritten: int) -> None:
        """Raise CommandError where something needs a person."""
        left = {
            "entries not taken over": len(plan.lost),
            "sources not read": len(problems),
            "commands without a file": unwritten,
        }
        if any(left.values()):
            told = ", ".join(f"{what}: {number}" for what, number in left.items() if number)
            raise CommandError(
                f"Left for you: {told}. The lines above say what to do.", returncode=os.EX_DATAERR
            )


def _names_of_others() -> frozenset[str]:
    """Return the names that platform.yaml refuses for a cronjob; a file that is wrong has been reported."""
    from offbeat.deployment import spec  # noqa: PLC0415  YAML is read on demand
    from offbeat.deployment.rules import RESERVED  # noqa: PLC0415  as above

    try:
        return frozenset(RESERVED) | {each.name for each in spec.read().services}
    except spec.PlatformError:
        return frozenset(RESERVED)
