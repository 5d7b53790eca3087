"""`manage.py localprepare`: what `./run up` does before it starts, and after each change."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.dev.demo_user import make_demo_user


class Command(BaseCommand):
    help = "Load the code, check it, and report what migrations are missing. Development only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait", action="store_true", help="begin when a line is typed: the code is loaded by then"
        )
        parser.add_argument("--migrate", action="store_true", help="apply the migrations first")
        parser.add_argument("--demo-user", action="store_true", help="make the user who may sign in")

    def handle(self, *, wait: bool, migrate: bool, demo_user: bool, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("Development only: DEBUG is false.", returncode=os.EX_USAGE)
        from offbeat.dev.migration_state import (  # noqa: PLC0415  its libraries are not in the image
            apply_migrations,
            report_migrations,
        )
        from offbeat.dev.servers import FOLDER  # noqa: PLC0415  as above

        if wait and not sys.stdin.readline():
            return  # nobody is there any more who would say it
        if migrate:
            apply_migrations()
        if demo_user:
            make_demo_user(verified=FOLDER / "demo-user")
        for line in report_migrations():
            self.stdout.write(line)
