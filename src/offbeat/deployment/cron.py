"""Keeps platform.yaml's schedules where the platform keeps none (Fly.io, Compose): `python src/offbeat/deployment/cron.py`.

It runs each cronjob's command as a platform would, in a process of its own, one after another. It remembers nothing,
for the ledger knows what is due: a restart, or two of these at once, do no harm. It loads neither Django nor Celery.
On a developer's machine it is `manage.py localcron`.
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
    from collections.abc import Callable, Sequence

    from offbeat.deployment.spec import CronJobSpec

LIMIT = 120
"""Seconds that a command may run: it enqueues and ends by itself after 30, so this one hangs."""
STOP = 20
"""Seconds that a command has to end when we are stopped: below the 30 s of grace that exports give us."""
LONGEST_NAP = 60
"""Seconds after which the clock is looked at again: it may have been set, or the machine may have slept."""


def log(text: str) -> None:
    print(f"cron: {text}", flush=True)  # noqa: T201 - its log


class Cron:
    """Runs the cronjobs of a platform.yaml when their slots come; `clock` and `pause` are time itself.

    With `is_due_at_start` each runs once at the start: what was missed while nobody kept the schedules is made good at once.
    Raises PlatformError.
    """

    def __init__(
        self,
        file: Path = PLATFORM_FILE,
        *,
        is_due_at_start: bool = True,
        nap: float = LONGEST_NAP,
        say: Callable[[str], None] = log,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.file, self.nap, self.say, self.clock, self.pause = file, nap, say, clock, pause
        self.version: tuple[int, int] | None = None
        self.due: dict[CronJobSpec, datetime] = {}
        self.read_file()
        if is_due_at_start:
            self.due = dict.fromkeys(self.due, clock())

    def run(self) -> None:
        """Run cronjobs for ever; an exception that a signal raises is the way out."""
        while True:
            self.step()

    def step(self) -> None:
        """Run those that are due; where none is, read a changed file, and sleep until one may be."""
        now = self.clock()
        due = [cronjob for cronjob, when in self.due.items() if when <= now]
        for cronjob in due:
            self.due[cronjob] = next_slot(cronjob, self.clock())
            self.say(f"{cronjob.name}: {run_command(cronjob.argv)[1]}")
        if not due:
            self.read_changed_file()
            self.pause(min([self.nap, *((when - now).total_seconds() for when in self.due.values())]))

    def read_changed_file(self) -> None:
        if self.find_version() == self.version:
            return
        try:
            self.read_file()
        except PlatformError as error:
            self.say(f"{error}\nThe cronjobs are unchanged.")

    def read_file(self) -> None:
        self.version = self.find_version()
        now = self.clock()
        self.due = {cronjob: next_slot(cronjob, now) for cronjob in read(self.file).cronjobs}
        for cronjob, when in self.due.items():
            self.say(f"{cronjob.name}: next at {when:%Y-%m-%d %H:%M} UTC")

    def find_version(self) -> tuple[int, int] | None:
        try:
            found = self.file.stat()
        except OSError:  # an editor is replacing it
            return self.version
        return found.st_mtime_ns, found.st_size


def next_slot(cronjob: CronJobSpec, now: datetime) -> datetime:
    return Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name).next(now)


def run_command(argv: Sequence[str], limit: float | None = LIMIT) -> tuple[int, str]:
    """Run a command to its end; return its exit code, as shells count it, and in a few words how it ended."""
    started = time.monotonic()
    try:
        # A session of its own: Ctrl-C reaches us alone, and we stop it.
        process = subprocess.Popen(argv, start_new_session=True)  # noqa: S603 - the commands of our own file
    except OSError as error:
        return 127, f"cannot be started: {error.strerror} ({argv[0]})"
    try:
        code = process.wait(limit)
    except subprocess.TimeoutExpired:
        kill(process)
        return 137, f"killed after {limit:g} s: it should have ended before"
    except BaseException:  # a signal asks us to stop
        stop(process)
        raise
    code = code if code >= 0 else 128 - code
    return code, f"exit code {code} after {time.monotonic() - started:.1f} s"


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP)
    except subprocess.TimeoutExpired:
        kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        cron = Cron(Path(sys.argv[1]) if sys.argv[1:] else PLATFORM_FILE)
    except PlatformError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(78)
    cron.run()


if __name__ == "__main__":
    main()
