"""The probe tells a worker that lives from one that does not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from tests.offbeat.support.polling import stays, wait_until
from tests.offbeat.support.running import CHECKOUT

pytestmark = pytest.mark.faults


def test_a_broker_away(faults):
    """The probe passes while Redis is away, and says so; it fails when the worker's main process stands still."""
    file = str(faults.stack.folder / "beat")
    worker = faults.quick_worker(OFFBEAT_JOBS_HEARTBEAT_FILE=file)
    wait_until(lambda: probe(file).returncode == 0)

    faults.redis.kill()
    wait_until(lambda: "Redis unreachable" in probe(file).stdout)
    stays(lambda: probe(file).returncode == 0, seconds=15, pause=2)
    faults.redis.start()
    wait_until(lambda: "Redis unreachable" not in probe(file).stdout)

    os.kill(worker.pid, signal.SIGSTOP)
    wait_until(lambda: probe(file).returncode == 1)
    os.kill(worker.pid, signal.SIGCONT)
    wait_until(lambda: probe(file).returncode == 0)


def probe(file):
    return subprocess.run(
        [sys.executable, "src/offbeat/jobs/probe.py", "--max-age", "10"],
        env={"OFFBEAT_JOBS_HEARTBEAT_FILE": file},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
