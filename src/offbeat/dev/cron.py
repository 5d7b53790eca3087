"""The platform's cron, on a developer's machine: runs the cronjobs of platform.yaml as processes, on their schedule."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from offbeat.deployment.schedule import Schedule
from offbeat.deployment.spec import PLATFORM_FILE, PlatformError, read
from offbeat.dev.child_processes import dies_with_parent
from offbeat.dev.environments import programs
from offbeat.dev.servers import CHECKOUT
from offbeat.dev.stop_signals import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from offbeat.deployment.spec import CronJob

PAUSE = 0.5  # seconds between two looks at the clock and at platform.yaml
STOPPING = 10  # seconds for commands to end when we are stopped: they enqueue and exit


class Cron:
    """Fires each cronjob at its slots, from the moment it is known: what was missed before stays missed."""

    def __init__(self, say: Callable[[str], None], file: Path = PLATFORM_FILE) -> None:
        self.say = say
        self.file = file
        self.running: list[Wakeup] = []
        self._version: tuple[int, int] | None = None
        self._cronjobs: tuple[CronJob, ...] = ()
        self._next: dict[str, datetime] = {}

    def run(self) -> None:
        """Fire for ever; commands that still run are ended when we are stopped. Raises PlatformError at the start."""
        self._read(datetime.now(UTC))
        try:
            while True:
                time.sleep(PAUSE)
                with undisturbed():
                    self.step(datetime.now(UTC))
        finally:
            self.stop()

    def step(self, now: datetime) -> None:
        """Do what is due: fire, read a changed platform.yaml, tell how commands have ended."""
        for cronjob in self._cronjobs:
            if self._next[cronjob.name] <= now:
                self._next[cronjob.name] = schedule_of(cronjob).next(now)
                self.running.append(Wakeup(cronjob, self.say))
        if (
            self._version_of_the_file() != self._version
        ):  # after firing: what is due now was due before the change
            self._reread(now)
        self.running = [wakeup for wakeup in self.running if not wakeup.has_ended()]

    def stop(self) -> None:
        for wakeup in self.running:
            wakeup.process.terminate()
        for wakeup in self.running:
            wakeup.stop()

    def _version_of_the_file(self) -> tuple[int, int] | None:
        try:
            found = self.file.stat()
        except OSError:  # an editor is replacing it
            return self._version
        return found.st_mtime_ns, found.st_size

    def _reread(self, now: datetime) -> None:
        try:
            self._read(now)
        except PlatformError as error:
            self.say(f"{error}\nThe cronjobs stay as they were.")

    def _read(self, now: datetime) -> None:
        self._version = self._version_of_the_file()
        self._cronjobs = read(self.file).cronjobs
        self._next = {cronjob.name: schedule_of(cronjob).next(now) for cronjob in self._cronjobs}
        for cronjob in self._cronjobs:
            self.say(f"{cronjob.name}: next at {self._next[cronjob.name]:%Y-%m-%d %H:%M} UTC")


class Wakeup:
    """One run of a cronjob's command, its output under the cronjob's name."""

    def __init__(self, cronjob: CronJob, say: Callable[[str], None], more: Sequence[str] = ()) -> None:
        self.name = cronjob.name
        self.say = say
        say(f"{self.name}: {' '.join([cronjob.command, *more])}")
        self.process = subprocess.Popen(  # noqa: S603  the commands of platform.yaml
            [*cronjob.argv, *more],
            cwd=CHECKOUT,
            env=os.environ | programs(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=dies_with_parent(),  # noqa: PLW1509
        )
        self.output = threading.Thread(target=self._follow, daemon=True)
        self.output.start()

    def has_ended(self) -> bool:
        """Whether it has; tells the exit code once, when it has."""
        if self.process.poll() is None:
            return False
        self._tell_end()
        return True

    def wait(self) -> int:
        """Return the exit code when the command has ended."""
        self.process.wait()
        self._tell_end()
        return self.process.returncode

    def stop(self) -> None:
        """Ask it to stop, and end it by force after ten seconds."""
        self.process.terminate()
        try:
            self.process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.wait()

    def _tell_end(self) -> None:
        self.output.join(STOPPING)
        self.say(f"{self.name}: exit code {self.process.returncode}")

    def _follow(self) -> None:
        output: IO[str] = self.process.stdout  # type: ignore[assignment]
        with output:
            for line in output:
                self.say(f"{self.name}: {line.rstrip()}")


def schedule_of(cronjob: CronJob) -> Schedule:
    return Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name)
