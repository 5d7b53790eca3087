"""A real worker for one test: a process of its own, on the test's database.

Run as a program it is that process: it reads the project's settings, takes the test's database in place of theirs, and ends when
the pipe to the test breaks.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

DATABASE = "OFFBEAT_TEST_DATABASE"  # the variable that the settings of the test's connection are in, as JSON
PLACE = ("NAME", "USER", "PASSWORD", "HOST", "PORT")
START, STOP = 60, 15  # seconds that it may take on a slow machine
PAUSE = 0.05


class WorkerProcess:
    """A worker with one child process, which consumes every queue of the project."""

    def __init__(self, folder: Path) -> None:
        from django.db import connection  # noqa: PLC0415  the program below reads the settings itself

        from offbeat.jobs import ledger, queue_names  # noqa: PLC0415  as above

        ledger.identity.cache_clear()  # a test before this one may have emptied all tables
        self.log = folder / "worker.log"
        database = {name: connection.settings_dict[name] for name in PLACE}
        environment = os.environ | {  # which names the settings, too: overridden ones know of no module
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "OFFBEAT_JOBS_HEARTBEAT_FILE": str(folder / "worker-heartbeat"),
            DATABASE: json.dumps(database),
        }
        queues = ",".join(sorted(queue_names.known()))
        command = [sys.executable, "-m", __name__, "--queues", queues, "--concurrency", "1"]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(  # noqa: S603
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_until_ready(self) -> None:
        """Return when it has said that it lives."""
        from offbeat.jobs.models import Worker  # noqa: PLC0415  as above

        self._wait(START, lambda: Worker.objects.filter(pid=self.process.pid).exists(), "to start")

    def finish_jobs(self, seconds: float = 30, *, raises: bool = True) -> None:
        """Return when no job is due or runs any more; what waits for a later time may wait.

        Raises JobFailedError for a dead letter, unless `raises` is false, and TimeoutError after so many seconds.
        """
        self._wait(seconds, lambda: not _unfinished().exists(), "to finish the jobs")
        if raises:
            _raise_dead_letter()

    def stop(self) -> int:
        """Stop it as a platform does, and return its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it and its children by SIGKILL, as a machine that dies."""
        os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()

    def end(self) -> None:
        """End it, and print its log, which pytest shows of a test that has failed."""
        from offbeat.jobs import ledger, other_ledgers  # noqa: PLC0415  as above

        if self.process.poll() is None:
            self.kill()
        if self.process.stdin:
            self.process.stdin.close()
        sys.stdout.write(f"--- worker (exit code {self.process.returncode})\n{self.output}\n")
        other_ledgers.withdraw(
            ledger.identity()
        )  # the tables of the test are emptied, and the next one has another
        ledger.identity.cache_clear()

    def _wait(self, seconds: float, is_done: Any, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not is_done():
            if self.process.poll() is not None:
                raise RuntimeError(f"the worker ended with {self.process.returncode}:\n{self.output}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker took more than {seconds:g} s {what}:\n{self.output}")
            time.sleep(PAUSE)


def _unfinished() -> Any:
    from django.db.models import Q  # noqa: PLC0415  as above
    from django.db.models.functions import Now  # noqa: PLC0415  as above

    from offbeat.jobs.models import Job  # noqa: PLC0415  as above

    later = Q(state=Job.State.PENDING, due_at__gt=Now()) | Q(
        state=Job.State.PENDING, refused_at__isnull=False
    )
    return Job.objects.exclude(state__in=Job.FINISHED).exclude(later)


def _raise_dead_letter() -> None:
    from offbeat.jobs.models import Job  # noqa: PLC0415  as above
    from offbeat.jobs.testing import JobFailedError  # noqa: PLC0415  as above

    for job in Job.objects.filter(state=Job.State.DEAD).order_by("finished_at")[:1]:
        raise JobFailedError(f"{job.task} {job.id} is a dead letter: {job.reason}\n{job.traceback}")
    for job in Job.objects.filter(state=Job.State.PENDING, refused_at__isnull=False)[:1]:
        raise JobFailedError(f"{job.task} {job.id} {job.reason}")


def main(arguments: list[str]) -> None:
    from django.conf import settings  # noqa: PLC0415  for the program alone
    from django.core.management import execute_from_command_line  # noqa: PLC0415  as above

    place = json.loads(os.environ.pop(DATABASE))  # the settings refuse variables that nobody reads
    settings.DATABASES["default"] |= place
    threading.Thread(target=_end_with_test, daemon=True).start()
    execute_from_command_line(["manage.py", "worker", *arguments])


def _end_with_test() -> None:
    """Stop when the test's process is gone, however it ended: nobody else would."""
    while os.read(sys.stdin.fileno(), 1024):  # not by sys.stdin, whose lock would be held when Python ends
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP)
    os.killpg(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
