"""`python -m local.reloading COMMAND ...`: run a service, and run it anew when a Python file in src changes.

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

from local.offspring import dies_with_parent
from local.servers import CHECKOUT
from local.stopping import Stopped, raise_when_asked_to_stop
from local.with_servers import shell_code

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PAUSE = 0.2  # seconds between two looks
YOUNG = 10  # seconds: a service that ends so soon after a change ended by it, and waits for the next


class Service:
    """The running service, restarted as often as files change."""

    def __init__(self, command: Sequence[str]) -> None:
        self.command = command
        self.started_anew = float("-inf")
        self.has_failed = False
        self.process = self._start()

    def start_anew(self) -> None:
        sys.stderr.write("A file has changed: starting anew.\n")
        self.stop()
        self.process = self._start()
        self.started_anew, self.has_failed = time.monotonic(), False

    def stop(self) -> None:
        """Ask it to stop; end it and its children by force when its grace is over."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(float(os.environ.get("WORKER_GRACE") or 10))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def has_ended_by_itself(self) -> bool:
        """Whether it ended, and not at once after a change: that was a mistake, which the next change mends."""
        if self.process.poll() is None:
            return False
        if time.monotonic() < self.started_anew + YOUNG and not self.has_failed:
            self.has_failed = True
            sys.stderr.write("It ended at once: waiting for the next change.\n")
        return not self.has_failed

    def _start(self) -> subprocess.Popen[bytes]:
        # A session of its own: a signal to our process group must not reach the service's pool processes.
        return subprocess.Popen(self.command, start_new_session=True, preexec_fn=dies_with_parent())  # noqa: S603, PLW1509


def main(command: Sequence[str], folder: Path = CHECKOUT / "src") -> int:
    """Return the service's exit code when it ends by itself, and ours when we are asked to stop."""
    raise_when_asked_to_stop()
    with changes_noticed(folder) as changed:
        service = Service(command)
        try:
            follow(service, changed)
        except Stopped as stopped:
            service.stop()
            return stopped.code
    return shell_code(service.process.returncode)


def follow(service: Service, changed: threading.Event) -> None:
    """Start the service anew at each change; returns when it has ended by itself."""
    while not service.has_ended_by_itself():
        if changed.is_set():
            changed.clear()
            service.start_anew()
        time.sleep(PAUSE)


@contextmanager
def changes_noticed(folder: Path) -> Iterator[threading.Event]:
    """Give an event that is set at each change; in a thread, because `watch` keeps signals from the main one."""
    changed, done = threading.Event(), threading.Event()

    def notice() -> None:
        for _files in watch(folder, watch_filter=PythonFilter(), stop_event=done):
            changed.set()

    thread = threading.Thread(target=notice)
    thread.start()
    try:
        yield changed
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
