"""`manage.py check_platform`: starts nothing, and reports everything wrong with the deployment at once."""

from __future__ import annotations

import os
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.deployment import spec
from offbeat.deployment.committed_files import stale_files, write_files
from offbeat.deployment.exporters import TARGETS, MissingKeyError, export_platform


class Command(BaseCommand):
    help = "Check platform.yaml itself and against the code, and report all errors."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--write",
            action="store_true",
            help="write the files that are made from platform.yaml and its spec: schema, Procfile, documentation",
        )

        parser.add_argument(
            "--for",
            dest="targets",
            nargs="+",
            choices=TARGETS,
            default=[],
            metavar="PLATFORM",
            help="report what these platforms cannot express",
        )

    def handle(self, *, write: bool, targets: list[str], **_: Any) -> None:
        for path in write_files() if write else ():
            self.stdout.write(f"wrote {path}")
        messages = checks.run_checks(tags=["deployment", "cronjobs"])
        stale = [
            f"{path}: is out of date. Run: python manage.py check_platform --write" for path in stale_files()
        ]
        for line in [*map(str, messages), *stale]:
            self.stderr.write(line)
        errors = len(stale) + sum(message.is_serious() for message in messages)
        if errors:
            raise CommandError(f"{errors} to fix.", returncode=os.EX_CONFIG)
        platform = spec.read()
        for name in targets:
            self._tell_limits(name, platform)
        self.stdout.write(self.style.SUCCESS(self._summary(platform)))

    def _tell_limits(self, name: str, platform: spec.Platform) -> None:
        try:
            warnings = export_platform(name, platform).warnings
        except MissingKeyError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None
        for warning in warnings:
            self.stderr.write(self.style.WARNING(f"{name}: {warning}"))

    def _summary(self, platform: spec.Platform) -> str:
        return (
            f"platform.yaml is correct: {len(platform.services)} services, {len(platform.cronjobs)} cronjobs."
        )
