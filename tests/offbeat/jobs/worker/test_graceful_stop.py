"""Leaving: what cannot be seen from outside within the grace. Real stops are among the faults."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from tests.offbeat.support.running import CHECKOUT

LEAVE = """
import subprocess
from types import SimpleNamespace as Bag
import django
django.setup()
from offbeat.jobs.worker import graceful_stop

child = subprocess.Popen(["sleep", "60"])
print(child.pid, flush=True)
graceful_stop.exit_by_force(Bag(pool=Bag(_pool=Bag(_pool=[child]))))
"""


def test_leaving_by_force_leaves_no_child_behind(postgres, tmp_path):
    """A job that still runs is killed before it is handed back: another worker begins it at once."""
    environment = os.environ | {
        "PYTHONPATH": str(CHECKOUT / "src"),
        "OFFBEAT_JOBS_HEARTBEAT_FILE": str(tmp_path / "beat"),
    }

    left = subprocess.run(
        [sys.executable, "-c", LEAVE], env=environment, stdout=subprocess.PIPE, text=True, check=False
    )

    child = int(left.stdout.split()[0])
    alive = psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE
    if alive:
        psutil.Process(child).kill()
    assert (left.returncode, alive) == (0, False)
