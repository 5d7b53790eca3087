"""A machine that starts no more processes, as a container that has all that it may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.limits import ProcessLimit, needs_prlimit
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.stack import POOL

pytestmark = [pytest.mark.faults, needs_prlimit]


@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("no more processes can be started on a worker's machine, for a moment")
def test_a_child_that_cannot_be_started(faults):
    """It is started when that is possible again: what runs in another one goes on, and what waits runs then."""
    limit = ProcessLimit(faults.stack)
    worker = faults.quick_worker()
    beside = tasks.work.enqueue("beside", gate=faults.gate)
    faults.wait_for_start("beside")
    busy = Effect.objects.get(label="beside").pid

    limit.reach(worker.pid)
    for child in worker.children():
        if POOL != "prefork" or child.pid != busy:  # the others have one process only
            child.kill()
    worker.wait_for("cannot be started: Resource temporarily unavailable")
    tasks.work.enqueue("waiting", gate=faults.gate)
    limit.lift(worker.pid)

    faults.wait_for_start("waiting")
    faults.open_gate()
    faults.wait_for_all(60)
    beside.refresh_from_db()
    assert (beside.attempt, worker.is_running) == (1 if POOL == "prefork" else 2, True)
    assert faults.repeated() == []


@pytest.mark.pools
def test_files_of_a_child_that_cannot_be_started(faults):
    """They are closed: a machine that is full for long does not run out of them, too."""
    limit = ProcessLimit(faults.stack)
    worker = faults.quick_worker()
    before = pipes(worker)

    limit.reach(worker.pid)
    worker.children()[0].kill()
    worker.wait_for("cannot be started: Resource temporarily unavailable")
    limit.lift(worker.pid)

    wait_until(lambda: len(worker.children()) == 2)
    wait_until(lambda: pipes(worker) == before)


def pipes(worker):
    """Give how many ends of pipes its main process has open."""
    folder = Path(f"/proc/{worker.pid}/fd")
    return sum(str(each.readlink()).startswith("pipe:") for each in folder.iterdir())
