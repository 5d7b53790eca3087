"""In the process of a worker's lanes."""

import os
import socket
import subprocess
import sys
import uuid

from offbeat.jobs import lanes
from offbeat.jobs.worker import lane_threads
from offbeat.jobs.worker.lane_channel import Channel, LaneLost
from offbeat.jobs.worker.lane_limits import task_starts

SMALL = "from offbeat.jobs.worker import lane_threads; print(lane_threads._kilobytes())"
LARGE = f"""
import subprocess, sys
hoard = bytearray(300 * 2**20)
subprocess.run([sys.executable, "-c", {SMALL!r}], check=True)
"""


def test_the_memory_of_a_process_is_its_own():
    """For `--max-memory-per-child`: the kernel's own count begins with that of the process that has started it."""
    done = subprocess.run([sys.executable, "-c", LARGE], stdout=subprocess.PIPE, text=True, check=True)

    assert int(done.stdout) < 200 * 1024


def test_a_lane_whose_channel_a_task_has_closed_ends_its_process(monkeypatch):
    """Else the worker would take its calls for running until a time limit passes, and give it more of them."""
    ours, theirs = socket.socketpair()
    codes = []
    monkeypatch.setattr(lane_threads, "leave", codes.append)
    lane = lane_threads.LaneThread(lanes.FIRST, uuid.uuid4(), Channel(ours), task_starts(1))
    theirs.close()
    ours.close()

    lane._tell(LaneLost(lanes.FIRST))  # noqa: SLF001  what each of its answers goes through

    assert codes == [os.EX_IOERR]
