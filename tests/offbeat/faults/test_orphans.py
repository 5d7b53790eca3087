"""A worker as the first process of a container, whose tasks start processes that outlive their parents."""

from __future__ import annotations

import subprocess

import psutil
import pytest

from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.stack import MANAGE

pytestmark = pytest.mark.faults


@pytest.mark.skipif(
    subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs the right to make a PID namespace",
)
@pytest.mark.fault("tasks start processes that outlive them, and the worker is its container's first process")
def test_processes_that_lose_their_parents(faults):
    """They are forgotten when they end: the dead do not use up the processes that the container may have."""
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    inside = faults.stack.start("worker", [*alone, *MANAGE, "worker", "--queues", "default"], **QUICK)
    inside.wait_for(" ready.")

    for _ in range(5):
        tasks.leave_process.enqueue()
    faults.wait_for_all()

    wait_until(lambda: len(dead(inside)) == 5)
    wait_until(lambda: dead(inside) == [])
    assert inside.is_running


def dead(inside):
    return [each for each in inside.children() if each.status() == psutil.STATUS_ZOMBIE]
