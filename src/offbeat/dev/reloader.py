"""`python -m offbeat.dev.reloader COMMAND ...`: run a service, and run it anew when the code changes.

It stops the service as the platform does, by one SIGTERM to its main process, and waits for its grace. `./run up` does the same for
all of its processes together.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from offbeat.dev.child_processes import end_leftovers, start_child, stop_by
from offbeat.dev.code_error import describe_error
from offbeat.dev.commands import UNDER_RELOADER
from offbeat.dev.servers import CHECKOUT
from offbeat.dev.source_files import SourceFiles, unreadable
from offbeat.dev.stop_signals import SIGNALS
from offbeat.dev.with_servers import shell_code
from offbeat.env import env

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence
    from pathlib import Path

PAUSE = 0.2  # seconds between two looks
YOUNG = 60  # seconds: a service that ends so soon after a change ended by it, and waits for the next
FILES = ("platform.yaml", "manage.py")


class ReloadedService:
    """A service, started anew as often as files change."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.young_until = float("-inf")
        self.has_failed = False

    def start(self) -> None:
        # A session of its own: a signal to our process group must not reach the service's pool processes.
        environment = os.environ | {UNDER_RELOADER: "true"}
        self.process = start_child(self.command, start_new_session=True, env=environment)
        self.has_failed = False

    def stop(self) -> None:
        """Ask it to stop; end it and its children by force when its grace is over."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            stop_by(time.monotonic() + env.integer("WORKER_GRACE", 10), self.process)

    def exit_code(self) -> int | None:
        """Return its exit code when it has ended by itself; None while it runs, or waits for a change that mends it."""
        if self.process is None or self.has_failed or self.process.poll() is None:
            return None
        end_leftovers(self.process)
        if time.monotonic() > self.young_until:
            return shell_code(self.process.returncode)
        self.has_failed = True
        sys.stderr.write("It ended immediately: waiting for the next change.\n")
        return None


def main(command: Sequence[str], root: Path = CHECKOUT) -> int:
    """Return the service's exit code when it ends by itself, and ours when we are asked to stop."""
    service, asked = ReloadedService(command), list[int]()
    for number in SIGNALS:
        # No exception: a service that is just being stopped is not asked twice, and one that starts is not lost.
        signal.signal(number, lambda received, _: asked.append(received))
    files = SourceFiles(root, FILES)
    broken: set[str] = set()
    service.start()
    while not asked:
        if changed := files.changes():
            broken = {name for name in broken | set(changed) if any(unreadable(root, [name]))}
            if is_readable(root, broken):
                sys.stderr.write(f"{changed[0]} has changed: starting anew.\n")
                service.young_until = time.monotonic() + YOUNG
                service.stop()
                if not asked:
                    service.start()
        if (code := service.exit_code()) is not None:
            return code
        time.sleep(PAUSE)
    service.stop()
    return 128 + asked[0]


def is_readable(root: Path, broken: set[str]) -> bool:
    """Whether Python can read the files; what it cannot read is printed, and waits for the next save."""
    errors = list(unreadable(root, sorted(broken)))
    for error in errors:
        sys.stderr.write(f"{describe_error(error, root)}\n")
    return not errors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
