"""`manage.py localcron`: the platform's cron, on a developer's machine."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.deployment.spec import CronJob, PlatformError, read
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop, undisturbed


class Command(BaseCommand):
    help = "Run the cronjobs of platform.yaml on their schedule, as the platform would. Development only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--fire", metavar="NAME", help="run one cronjob now, and exit with its exit code")

    def handle(self, *, fire: str | None, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Development only: DEBUG is false, and the platform runs the cronjobs.",
                returncode=os.EX_USAGE,
            )
        raise_when_asked_to_stop()
        try:
            self._fire(fire) if fire else self._run()
        except PlatformError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None
        except Stopped:
            return

    def _run(self) -> None:
        from offbeat.dev.cron import Cron  # noqa: PLC0415  its libraries are not in the image

        self.stdout.write("Standing in for the platform's cron, in development only.")
        Cron(self._say).run()

    def _fire(self, name: str) -> None:
        from offbeat.dev.cron import Wakeup  # noqa: PLC0415  as above
        from offbeat.dev.with_servers import shell_code  # noqa: PLC0415  as above

        cronjob = self._find(name)
        wakeup = None
        try:
            with undisturbed():
                wakeup = Wakeup(cronjob, self._say, ["--now"] if is_enqueueing(cronjob) else [])
            code = shell_code(wakeup.wait())
        except Stopped as stopped:
            if wakeup:
                wakeup.stop()
            code = stopped.code  # it may not have enqueued
        sys.exit(code)

    def _find(self, name: str) -> CronJob:
        try:
            return read().cronjob(name)
        except KeyError as error:
            raise CommandError(error.args[0], returncode=os.EX_USAGE) from None

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def is_enqueueing(cronjob: CronJob) -> bool:
    """Whether it has slots: such a command does nothing between two of them, unless it is told to."""
    name = cronjob.argv[2]  # python manage.py NAME
    app = get_commands().get(name)
    return app is not None and isinstance(load_command_class(str(app), name), EnqueueCommand)
