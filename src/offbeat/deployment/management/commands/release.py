"""`manage.py release`: what platforms run once per deploy, before the new services start."""

from __future__ import annotations

import os
import time
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser, SystemCheckError

from offbeat.deployment.migration import LockHeldError, NotPermittedError, migrate
from offbeat.deployment.servers import (
    ServerAwayError,
    redis_problem,
    wait_for_broker,
    wait_for_postgres,
)


class Command(BaseCommand):
    help = (
        "Wait for PostgreSQL and the broker, check the deployment, and migrate. Two releases may run at once."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--wait",
            type=float,
            default=30,
            metavar="SECONDS",
            help="how long to wait for the servers (default: 30)",
        )
        parser.add_argument(
            "--lock-wait",
            type=float,
            default=600,
            metavar="SECONDS",
            help="how long to wait for another release, or for a table that a migration needs (default: 600)",
        )
        parser.add_argument(
            "--lock-timeout",
            type=float,
            default=3,
            metavar="SECONDS",
            help="how long one try of a migration waits for a table, while other sessions wait behind it (default: 3; 0: no limit)",
        )

    def handle(self, *, wait: float, lock_wait: float, lock_timeout: float, verbosity: int, **_: Any) -> None:
        deadline = time.monotonic() + wait
        try:
            wait_for_postgres(wait, self.stdout.write)
        except ServerAwayError as error:
            raise CommandError(str(error), returncode=os.EX_UNAVAILABLE) from None
        self._broker(max(0, deadline - time.monotonic()))
        self._check()
        self._migrate(lock_wait, lock_timeout, verbosity)
        self.stdout.write(self.style.SUCCESS("Released: the database is up to date."))

    def _broker(self, seconds: float) -> None:
        try:
            wait_for_broker(seconds, self.stdout.write)
        except ServerAwayError as error:
            self.stderr.write(
                self.style.WARNING(f"Warning: {error}. Jobs wait in PostgreSQL until it is back.")
            )
            return
        if problem := redis_problem():
            raise CommandError(problem, returncode=os.EX_CONFIG)

    def _check(self) -> None:
        try:
            call_command("check", deploy=True, databases=["default"], stdout=self.stdout, stderr=self.stderr)
        except SystemCheckError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None

    def _migrate(self, seconds: float, bound: float, verbosity: int) -> None:
        try:
            migrate(seconds, bound, self.stdout.write, verbosity)
        except LockHeldError as error:
            raise CommandError(str(error), returncode=os.EX_TEMPFAIL) from None
        except NotPermittedError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None
