"""Workers that are asked to stop where the machine starts no thread, or where nobody reads what they log."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.limits import ProcessLimit, needs_prlimit

pytestmark = pytest.mark.faults

RETURNED = "returned to the queue by a worker that stopped"


@pytest.fixture
def full_pipe(faults):
    """Have processes log into a pipe that can be filled, and give what fills it."""
    path = faults.stack.folder / "log"
    os.mkfifo(path)
    ends = [os.open(path, way | os.O_NONBLOCK) for way in (os.O_RDONLY, os.O_WRONLY)]
    start = faults.stack.start
    into = ["sh", "-c", f'exec "$@" > {path} 2>&1', "sh"]
    faults.stack.start = lambda name, command, **environment: start(name, [*into, *command], **environment)

    def fill():
        for size in (4096, 1):
            with suppress(BlockingIOError):
                while True:
                    os.write(ends[1], b"x" * size)

    yield fill
    for end in ends:
        os.close(end)


@pytest.mark.fault("nobody reads what a worker logs, so each line waits, and it is asked to stop")
@pytest.mark.pools("threads", weekly=("gevent",))
def test_a_stop_while_nobody_reads_the_log(faults, full_pipe):
    """It returns its jobs to the queue, and exits within its grace."""
    worker = faults.quick_worker(OFFBEAT_JOBS_DRAIN="1")
    job = tasks.work.enqueue("held", gate=faults.gate)
    faults.wait_for_start("held")
    full_pipe()

    worker.signal(signal.SIGTERM)

    assert worker.wait() == os.EX_OK
    job.refresh_from_db()
    assert (job.reason, job.crashes) == (RETURNED, 0)


@needs_prlimit
@pytest.mark.pools("threads", weekly=("gevent",))
def test_a_stop_without_another_thread(faults):
    """What ends within the worker's grace ends; the rest is returned to the queue."""
    limit = ProcessLimit(faults.stack)
    worker = faults.quick_worker(OFFBEAT_JOBS_DRAIN="1")
    job = tasks.work.enqueue("held", gate=faults.gate)
    faults.wait_for_start("held")
    limit.reach(worker.pid)

    worker.signal(signal.SIGTERM)

    assert worker.wait() == os.EX_OK
    job.refresh_from_db()
    assert (job.reason, job.crashes) == (RETURNED, 0)
    assert "Unrecoverable" not in worker.output
