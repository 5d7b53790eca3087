"""`./run worker --debug`: the jobs run in this terminal, for `breakpoint()`."""

from __future__ import annotations

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from offbeat.jobs import queue_names

USAGE = (
    "./run worker takes --debug: a worker in this terminal, for breakpoint(). "
    "The usual worker runs in ./run up; one alone is ./run manage worker."
)


class Command(BaseCommand):
    help = "Run jobs in this process, one at a time and without time limits: breakpoint() has the terminal. Development only."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--debug", action="store_true", help="what ./run worker is for; nothing else is there yet"
        )
        parser.add_argument(
            "--shared-servers", action="store_true", help="take jobs on servers that are not on this machine"
        )
        parser.add_argument("--queues", default="", help="some of the queues, separated by commas; else all")

    def handle(self, *, debug: bool, queues: str, shared_servers: bool, **_: Any) -> None:
        if not debug:
            raise CommandError(USAGE, returncode=os.EX_USAGE)
        from offbeat.dev.debug_hold import DebugHold  # noqa: PLC0415  its libraries are not in the image
        from offbeat.dev.debug_worker import DebugWorker  # noqa: PLC0415  as above

        if not shared_servers:
            check_servers()
        chosen = [name.strip() for name in queues.split(",") if name.strip()] or sorted(queue_names.known())
        for name in chosen:
            if name not in queue_names.known():
                raise CommandError(f"--queues: {queue_names.problem(name)}", returncode=os.EX_USAGE)
        with DebugHold() as hold:
            if not hold.take():
                raise CommandError(
                    "Another ./run worker --debug runs in this checkout. Hint: end it first.",
                    returncode=os.EX_TEMPFAIL,
                )
            DebugWorker(chosen, self.say).run()

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def check_servers() -> None:
    """Raise CommandError where the servers are elsewhere: the jobs there are somebody else's."""
    from offbeat.dev.named_servers import named_servers  # noqa: PLC0415  as above

    if away := [str(server) for server in named_servers(os.environ) if not server.is_here]:
        raise CommandError(
            f"{', '.join(away)}: not on this machine, and this worker would take the jobs there. "
            "Hint: unset the variables, or add --shared-servers.",
            returncode=os.EX_USAGE,
        )
