"""`manage.py doctor`: one table of everything that can be wrong, with what to do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from offbeat.ops.doctor import examination, table
from offbeat.ops.doctor.findings import Level

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = "Check everything that can be wrong; exit with 0 if all is well, 1 for warnings, 2 for errors."
    requires_system_checks = ()  # it makes them itself, and tells them in its table

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, **options: Any) -> None:
        findings = examination.examine()
        self.stdout.write(
            json.dumps(table.as_json(findings)) if options["json"] else table.text(findings, self.coloured)
        )
        self.stdout.flush()
        sys.exit(int(table.worst(findings)))

    def coloured(self, text: str, level: Level) -> str:
        styles = {
            Level.GREEN: self.style.SUCCESS,
            Level.YELLOW: self.style.WARNING,
            Level.RED: self.style.ERROR,
        }
        return str(styles[level](text))
