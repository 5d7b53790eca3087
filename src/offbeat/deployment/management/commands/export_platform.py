"""`manage.py export_platform`: prints platform.yaml in a platform's own terms."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, Export, MissingKeyError, Options, export_platform
from offbeat.deployment.exporters.files import drifted, write

MOST_MINUTES = 24 * 60


def _minutes(text: str) -> int:
    """Read the minutes between ticks; raises ArgumentTypeError with what would be right."""
    if text.isdecimal() and text.isascii() and int(text) <= MOST_MINUTES:
        return int(text)
    raise ArgumentTypeError(f'should be a whole number of minutes from 0 to {MOST_MINUTES}, got "{text}"')


class Command(BaseCommand):
    help = (
        "Print platform.yaml in the format of a platform. stderr reports what that platform cannot express."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "platform", nargs="?", choices=TARGETS, help=f"one of {', '.join(TARGETS)}", metavar="platform"
        )
        parser.add_argument(
            "--all", type=Path, metavar="DIR", help="write every platform's files, each into a folder of DIR"
        )
        parser.add_argument(
            "--write", action="store_true", help="write the files to the paths where the platform reads them"
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="write nothing; fail if a file is out of date",
        )
        parser.add_argument(
            "--tick",
            type=_minutes,
            metavar="MINUTES",
            help="one wake-up for all cronjobs every N minutes; 0: one for each",
        )
        parser.add_argument(
            "--keda",
            choices=("redis", "prometheus"),
            help="kubernetes: scale workers by the number of messages in Redis, or by Offbeat's metrics of queues: depth and age",
        )

    def handle(self, *, platform: str | None, all: Path | None, **options: Any) -> None:  # noqa: A002 - the option's name
        if (platform is None) == (all is None):
            raise CommandError("Give the name of a platform, or --all DIR.", returncode=os.EX_USAGE)
        chosen = Options(tick=options["tick"], keda=options["keda"])
        missing = []
        for name in [platform] if platform else TARGETS:
            try:
                export = export_platform(name, self._spec(), chosen)
            except MissingKeyError as error:
                missing.append(str(error))
                continue
            folder = all / name if all else spec.PLATFORM_FILE.parent
            self._deliver(name, export, folder, check=options["check"], writes=bool(all) or options["write"])
        if missing:
            raise CommandError("\n".join(missing), returncode=os.EX_CONFIG)

    def _spec(self) -> spec.Platform:
        try:
            return spec.read()
        except spec.PlatformError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None

    def _deliver(self, name: str, export: Export, folder: Path, *, check: bool, writes: bool) -> None:
        if check:
            self._check(name, export, folder)
            return
        for warning in export.warnings:
            self.stderr.write(self.style.WARNING(f"{name}: {warning}"))
        if writes:
            for path in write(export, folder):
                self.stdout.write(f"wrote {path}")
            self.stdout.write(export.next_step)
            return
        for file in export.files:
            self.stdout.write(f"# ---- {file.path}\n{file.text}" if len(export.files) > 1 else file.text)

    def _check(self, name: str, export: Export, folder: Path) -> None:
        lines = [f"{folder / path}: {state}" for path, state in drifted(export, folder)]
        if lines:
            hint = f"python manage.py export_platform {name} --write"
            raise CommandError("\n".join([*lines, f"Write it again: {hint}"]), returncode=os.EX_CONFIG)
        self.stdout.write(f"{name}: current")
