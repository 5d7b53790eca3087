"""Keeps platform.yaml's schedules where the platform keeps none (Fly.io, Compose): `python src/offbeat/deployment/cron.py`.

It runs each cronjob's command as a platform would, in a process of its own, one after another. It remembers nothing,
for the ledger knows what is due: a restart, or two of these at once, do no harm. It loads neither Django nor Celery.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":
    # Started as a file, Python would look for modules beside it.
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from offbeat.deployment.schedule import Schedule
from offbeat.deployment.spec import PLATFORM_FILE, PlatformError, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from offbeat.deployment.spec import CronJob, Platform

LIMIT = 120
"""Seconds that a command may run: it enqueues and ends by itself after 30, so this one hangs."""
STOP = 20
"""Seconds that a command has to end when we are stopped: below the 30 s of grace that exports give us."""
LONGEST_NAP = 60
"""Seconds after which the clock is looked at again: it may have been set, or the machine may have slept."""


class Cron:
    """Wakes the cronjobs of a platform when their slots come; `clock` and `pause` are time itself."""

    def __init__(
        self,
        platform: Platform,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.clock = clock
        self.pause = pause
        # Each is due at the start: what was missed while nobody kept the schedules is made good at once.
        self.due = dict.fromkeys(platform.cronjobs, clock())

    def run(self) -> None:
        """Wake cronjobs for ever; SystemExit, raised by a signal, is the way out."""
        while self.due:
            self.step()

    def step(self) -> None:
        """Wake those that are due, or sleep until one may be."""
        now = self.clock()
        due = [cronjob for cronjob, when in self.due.items() if when <= now]
        for cronjob in due:
            self.due[cronjob] = _schedule(cronjob).next(self.clock())
            say(cronjob, wake(cronjob))
        if not due:
            self.pause(min(LONGEST_NAP, (min(self.due.values()) - now).total_seconds()))


def wake(cronjob: CronJob, limit: float = LIMIT) -> str:
    """Run a cronjob's command to its end, and say in a few words how it ended."""
    started = time.monotonic()
    try:
        with subprocess.Popen(cronjob.argv) as process:  # noqa: S603 - the commands of our own file
            return _ended(process, limit, started)
    except OSError as error:
        return f"cannot be started: {error.strerror} ({cronjob.argv[0]})"


def _ended(process: subprocess.Popen[bytes], limit: float, started: float) -> str:
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"killed after {limit:g} s: it should have ended by itself"
    except SystemExit:
        process.terminate()
        _kill_if_it_stays(process)
        raise
    return f"exit code {code} after {time.monotonic() - started:.1f} s"


def _kill_if_it_stays(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        process.kill()


def say(cronjob: CronJob, outcome: str) -> None:
    print(f"cron: {cronjob.name}: {outcome}", flush=True)  # noqa: T201 - its log


def _schedule(cronjob: CronJob) -> Schedule:
    return Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name)


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        platform = read(sys.argv[1] if sys.argv[1:] else PLATFORM_FILE)
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(78)
    Cron(platform).run()


if __name__ == "__main__":
    main()
