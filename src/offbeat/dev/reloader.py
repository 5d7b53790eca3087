"""`python -m offbeat.dev.reloader COMMAND ...`: run a service, and run it anew when a Python file in src changes.

It stops the service as the platform does, by SIGTERM to its main process alone, and waits for its grace.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from watchfiles import PythonFilter, watch

from offbeat.dev.child_processes import dies_with_parent, end_by_force, family
from offbeat.dev.servers import CHECKOUT
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop, undisturbed
from offbeat.dev.with_servers import shell_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAUSE = 0.2  # seconds between two looks
LOOK = 100  # milliseconds until the watcher says that it watches, whether or not a file has changed
YOUNG = 10  # seconds: a service that ends so soon after a change ended by it, and waits for the next


class Service:
    """A service, started anew as often as files change."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.started_anew = float("-inf")
        self.has_failed = False
        self.process: subprocess.Popen[bytes] | None = None
        self.stop_by: float | None = None  # set once it is asked: a second SIGTERM would mean something else

    def start(self) -> None:
        with undisturbed():
            # A session of its own: a signal to our process group must not reach the service's pool processes.
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                start_new_session=True,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509
            )
            self.stop_by = None

    def start_anew(self) -> None:
        sys.stderr.write("A file has changed: starting anew.\n")
        self.stop()
        self.start()
        self.started_anew, self.has_failed = time.monotonic(), False

    def stop(self) -> None:
        """Ask it to stop; end it and its children by force when its grace is over."""
        if self.process is None or self.process.poll() is not None:
            return
        if self.stop_by is None:
            self.stop_by = time.monotonic() + float(os.environ.get("WORKER_GRACE") or 10)
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(max(0.1, self.stop_by - time.monotonic()))
        end_by_force(family(self.process))
        self._end_leftovers(self.process)

    def exit_code(self) -> int | None:
        """Return its exit code when it has ended by itself; None while it runs, or waits for a change that mends it."""
        if self.process is None or self.has_failed or self.process.poll() is None:
            return None
        self._end_leftovers(self.process)
        if time.monotonic() < self.started_anew + YOUNG:
            self.has_failed = True
            sys.stderr.write("It ended at once: waiting for the next change.\n")
            return None
        return shell_code(self.process.returncode)

    @staticmethod
    def _end_leftovers(process: subprocess.Popen[bytes]) -> None:
        """End what is left of its session, as soon as it has ended: later its pid may be another program's."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main(command: Sequence[str], folder: Path = CHECKOUT / "src") -> int:
    """Return the service's exit code when it ends by itself, and ours when we are asked to stop."""
    service = Service(command)
    try:
        raise_when_asked_to_stop()
        with changes_noticed(folder) as changed:
            return follow(service, changed)
    except Stopped as stopped:
        service.stop()
        return stopped.code


def follow(service: Service, changed: threading.Event) -> int:
    """Run the service, anew at each change; returns its exit code when it has ended by itself."""
    service.start()
    while (code := service.exit_code()) is None:
        if changed.is_set():
            changed.clear()
            service.start_anew()
        time.sleep(PAUSE)
    return code


@contextmanager
def changes_noticed(folder: Path) -> Iterator[threading.Event]:
    """Give an event that is set at each change from now on; in a thread, because `watch` keeps signals from the main one."""
    watching, changed, done = threading.Event(), threading.Event(), threading.Event()
    looks = watch(
        folder, watch_filter=PythonFilter(), stop_event=done, rust_timeout=LOOK, yield_on_timeout=True
    )

    def notice() -> None:
        try:
            for files in looks:
                watching.set()
                if files:
                    changed.set()
        finally:
            watching.set()  # where nothing can be watched the service runs all the same

    thread = threading.Thread(target=notice)
    thread.start()
    try:
        watching.wait()
        yield changed
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
