"""`python -m offbeat.dev.reloader COMMAND ...`: run a service, and run it anew when a Python file in src changes.

It stops the service as the platform does, by one SIGTERM to its main process, and waits for its grace. The command line of
watchfiles, whose library notices the changes, does not. Stopped during a reload it sends a second SIGINT, at which a worker gives
up its jobs; stopped at all it kills after five seconds, whatever its options say; it leaves the pool of a worker that it has killed
behind; and it goes on watching when a service has crashed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from watchfiles import PythonFilter, watch

from offbeat.dev.child_processes import end_leftovers, start_child, stop_by
from offbeat.dev.debug_hold import ServicePause
from offbeat.dev.servers import CHECKOUT
from offbeat.dev.stop_signals import SIGNALS
from offbeat.dev.with_servers import shell_code
from offbeat.env import env

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAUSE = 0.2  # seconds between two looks
YOUNG = 10  # seconds: a service that ends so soon after a change ended by it, and waits for the next


class ReloadedService:
    """A service, started anew as often as files change."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None
        self.young_until = float("-inf")
        self.has_failed = False
        self.pause = ServicePause(command)

    def start(self) -> None:
        if self.pause.is_on:
            return
        # A session of its own: a signal to our process group must not reach the service's pool processes.
        self.process = start_child(self.command, start_new_session=True)
        self.has_failed = False

    def stop(self) -> None:
        """Ask it to stop; end it and its children by force when its grace is over."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            stop_by(time.monotonic() + env.integer("WORKER_GRACE", 10), self.process)

    def exit_code(self) -> int | None:
        """Return its exit code when it has ended by itself; None while it runs, pauses, or waits for a change that mends it."""
        if self.pause.has_changed():
            self.stop()
            self.process = None
            self.start()
        if self.process is None or self.has_failed or self.process.poll() is None:
            return None
        end_leftovers(self.process)
        if time.monotonic() > self.young_until:
            return shell_code(self.process.returncode)
        self.has_failed = True
        sys.stderr.write("It ended at once: waiting for the next change.\n")
        return None


def main(command: Sequence[str], folder: Path = CHECKOUT / "src") -> int:
    """Return the service's exit code when it ends by itself, and ours when we are asked to stop."""
    service, asked = ReloadedService(command), list[int]()
    for number in SIGNALS:
        # No exception: a service that is just being stopped is not asked twice, and one that starts is not lost.
        signal.signal(number, lambda received, _: asked.append(received))
    for changes in watch_folder(folder):
        if changes and not asked:
            sys.stderr.write("A file has changed: starting anew.\n")
            service.young_until = time.monotonic() + YOUNG
        if changes or asked:
            service.stop()
        if asked:
            return 128 + asked[0]
        if changes or service.process is None:
            service.start()
        if (code := service.exit_code()) is not None:
            return code
    return os.EX_OK


def watch_folder(folder: Path) -> Iterator[object]:
    """Yield at each change, and empty sets meanwhile; where nothing can be watched, only those: the service runs all the same."""
    try:
        yield from watch(
            folder, watch_filter=PythonFilter(), rust_timeout=int(PAUSE * 1000), yield_on_timeout=True
        )
    except (OSError, RuntimeError) as error:
        sys.stderr.write(f"{folder} cannot be watched: {error}. Changes need a restart.\n")
    while True:
        yield ()
        time.sleep(PAUSE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
