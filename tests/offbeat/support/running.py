"""Real processes, their output kept, ended by pid when the test is over."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import psutil

from tests.offbeat.support import warm_python
from tests.offbeat.support.polling import wait_until

CHECKOUT = Path(__file__).resolve().parents[3]


class Running:
    """A process in a session of its own, with everything that it starts."""

    def __init__(self, name, command, environment, log, folder=CHECKOUT):
        self.name = name
        self.log = log
        self._family = []
        with log.open("wb") as output, Path(os.devnull).open("rb") as nothing:
            self.process = warm_python.start(
                command,
                cwd=folder,
                env=environment,
                files=(nothing, output, output),
                last_signal=signal.SIGKILL,
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self.log.read_text(errors="replace")

    @property
    def is_running(self):
        return self.process.poll() is None

    def children(self):
        """Give all processes below it, as psutil knows them."""
        if not self.is_running:
            return []
        return psutil.Process(self.pid).children(recursive=True)

    def wait_for(self, text, seconds=30):
        """Return when it has printed the text; fails when it ends first."""
        wait_until(lambda: text in self.output or not self.is_running, seconds)
        assert text in self.output, f"{self.name} ended with {self.process.returncode}:\n{self.output}"

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, seconds=30):
        """Return its exit code; fails when it still runs after so many seconds."""
        wait_until(lambda: not self.is_running, seconds)
        return self.process.returncode

    def stop(self, seconds=30):
        """Send SIGTERM to its main process, as a platform does, and return its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        """End it and everything below it by SIGKILL, as a machine that dies."""
        family = [*self.children(), *self._family]
        if self.is_running:
            self.process.kill()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait()

    def pause(self):
        """Stop all its processes where they are."""
        self._family = self.children()
        for each in (psutil.Process(self.pid), *self._family):
            each.suspend()

    def resume(self):
        for each in (*self._family, psutil.Process(self.pid)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()
