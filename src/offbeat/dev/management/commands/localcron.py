"""`manage.py localcron`: the platform's cron, on a developer's machine."""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.deployment.cron import Cron, run_command
from offbeat.deployment.spec import CronJobSpec, PlatformError, read
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop

NAP = 0.5  # seconds between two looks at the clock and at platform.yaml


class Command(BaseCommand):
    help = "Run the cronjobs of platform.yaml on their schedule, as the platform would. Development only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--fire",
            metavar="NAME",
            nargs="?",
            const="",
            help="run one cronjob now, and exit with its exit code; without a name, list them",
        )

    def handle(self, *, fire: str | None, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "Development only: DEBUG is false, and the platform runs the cronjobs.",
                returncode=os.EX_USAGE,
            )
        from offbeat.dev.environments import programs  # noqa: PLC0415  its libraries are not in the image
        from offbeat.dev.servers import CHECKOUT  # noqa: PLC0415  as above

        os.environ.update(programs(os.environ))
        os.chdir(CHECKOUT)
        raise_when_asked_to_stop()
        try:
            if fire == "":
                self.list()
            elif fire:
                self.fire(fire)
            else:
                self.run()
        except PlatformError as error:
            raise CommandError(str(error), returncode=os.EX_CONFIG) from None

    def run(self) -> None:
        self.stdout.write("Running the cronjobs instead of the platform, in development only.")
        try:
            Cron(is_due_at_start=False, nap=NAP, say=self.say).run()
        except Stopped:
            return

    def fire(self, name: str) -> None:
        cronjob = self.find(name)
        try:
            code, outcome = run_command(command_now(cronjob), limit=None)
        except Stopped as stopped:  # it may not have enqueued
            code, outcome = stopped.code, "stopped"
        self.say(f"{name}: {outcome}")
        sys.exit(code)

    def list(self) -> None:
        """Print the cronjobs that there are; a usage error all the same, for nothing was run."""
        cronjobs = read().cronjobs
        if not cronjobs:
            raise CommandError("platform.yaml has no cronjobs.", returncode=os.EX_USAGE)
        width = max(len(each.name) for each in cronjobs)
        lines = [f"  ./run fire {each.name:{width}}  {each.schedule} ({each.timezone})" for each in cronjobs]
        raise CommandError("\n".join(["Which cronjob? There are:", *lines]), returncode=os.EX_USAGE)

    def find(self, name: str) -> CronJobSpec:
        try:
            return read().cronjob(name)
        except KeyError as error:
            nearest = get_close_matches(name, [each.name for each in read().cronjobs], n=1)
            meant = f". Did you mean {nearest[0]}?" if nearest else ""
            raise CommandError(f"{error.args[0]}{meant}", returncode=os.EX_USAGE) from None

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def command_now(cronjob: CronJobSpec) -> list[str]:
    """Return its command; one that has slots does nothing between two of them, unless it is told to."""
    name = cronjob.argv[2]  # python manage.py NAME
    app = get_commands().get(name)
    has_slots = app is not None and isinstance(load_command_class(str(app), name), EnqueueCommand)
    return [*cronjob.argv, *(["--now"] if has_slots else [])]
