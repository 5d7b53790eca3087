"""`manage.py import_beat`: the way off Celery Beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from offbeat.cronjobs.beat import entries, replacement

if TYPE_CHECKING:
    from django.core.management.base import CommandParser

    from offbeat.cronjobs.beat.replacement import Replacement


class Command(BaseCommand):
    help = "Print Beat's entries (CELERY_BEAT_SCHEDULE, django-celery-beat) as cronjobs of platform.yaml, and write their commands."
    requires_system_checks = ()  # one of them refuses the schedule that is to be read

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--write", action="store_true", help="write the command files; those that exist are left alone"
        )
        parser.add_argument(
            "--folder", type=Path, help="for all command files; without it, the app that each task is in"
        )

    def handle(self, *, write: bool, folder: Path | None, **_: Any) -> None:
        plan = replacement.plan([*entries.in_settings(), *entries.in_tables()])
        self.stdout.write(replacement.as_yaml(plan))
        for each in plan.replacements:
            self.stderr.write(self._deliver(each, folder, write=write))
        self.stderr.write(
            f"{len(plan.replacements)} taken over, {len(plan.left)} not. docs/offbeat/leaving-beat.md says what is next."
        )

    def _deliver(self, each: Replacement, folder: Path | None, *, write: bool) -> str:
        folder = folder or each.folder
        if folder is None:
            return f"{each.command}: its task is in no app of INSTALLED_APPS: say where with --folder"
        path = folder / f"{each.command}.py"
        if path.exists():
            return f"{path}: exists, left alone"
        if not write:
            return f"{path}: would be written, with --write"
        for package in (folder.parent, folder):
            package.mkdir(parents=True, exist_ok=True)
            (package / "__init__.py").touch()
        path.write_text(each.source)
        return f"{path}: written"
