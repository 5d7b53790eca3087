"""A machine that starts no more processes, as a container that has all that it may have."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess

import pytest

from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.stack import POOL

pytestmark = pytest.mark.faults

OTHER_USER = ["setpriv", "--reuid=65534", "--clear-groups"]
CAPABILITIES = ["--inh-caps=+dac_read_search,+dac_override", "--ambient-caps=+dac_read_search,+dac_override"]


class Limited:
    """A worker whose user may have so many processes; root may have any number, so it is another user's then."""

    def __init__(self, stack, start_worker):
        self.as_other = OTHER_USER if os.geteuid() == 0 else []
        if self.as_other:
            stack.folder.chmod(0o777)
            start = stack.start
            stack.start = lambda name, command, **environment: start(
                name, [*OTHER_USER, *CAPABILITIES, *command], **environment
            )
        self.worker = start_worker()

    def limit(self, number):
        command = ["prlimit", f"--pid={self.worker.pid}", f"--nproc={number}:"]
        subprocess.run([*self.as_other, *command], check=True)


@pytest.mark.skipif(
    not shutil.which("prlimit"), reason="here is no prlimit to limit the processes of another one"
)
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault("no more processes can be started on a worker's machine, for a moment")
def test_a_child_that_cannot_be_started(faults):
    """It is started when that is possible again: what runs in another one goes on, and what waits runs then."""
    usual, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    limited = Limited(faults.stack, faults.quick_worker)
    worker = limited.worker
    beside = tasks.work.enqueue("beside", gate=faults.gate)
    faults.wait_for_start("beside")
    busy = Effect.objects.get(label="beside").pid

    limited.limit(1)
    for child in worker.children():
        if POOL != "prefork" or child.pid != busy:  # the others have one process only
            child.kill()
    worker.wait_for("cannot be started: Resource temporarily unavailable")
    tasks.work.enqueue("waiting", gate=faults.gate)
    limited.limit("unlimited" if usual == resource.RLIM_INFINITY else usual)

    faults.wait_for_start("waiting")
    faults.open_gate()
    faults.wait_for_all(60)
    beside.refresh_from_db()
    assert (beside.attempt, worker.is_running) == (1 if POOL == "prefork" else 2, True)
    assert faults.repeated() == []
