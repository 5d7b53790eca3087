"""When the task of a lane is interrupted, and when it is not."""

import threading
import time
import uuid

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from offbeat.jobs import lanes, soft_limit


def in_a_lane(act):
    """Return what `act` returns or raises in a thread that is a lane, which runs a call."""
    found = []

    def run():
        lane = lanes.enter(lanes.FIRST, uuid.uuid4())
        lane.call = "call"
        try:
            found.append(act(lane))
        except SoftTimeLimitExceeded:
            found.append("interrupted")
        lane.end_call()
        found.append(list(lane.due))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found


def interrupt(lane, call="call"):
    thread = threading.Thread(target=lanes.interrupt, args=[lane, call])
    thread.start()
    thread.join()


def work():
    with soft_limit.let_through():
        return "done"


def spin(lane):
    with soft_limit.let_through():
        interrupt(lane)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            pass


@pytest.mark.parametrize(
    ("act", "found"),
    [
        (lambda lane: (interrupt(lane), work())[1], "interrupted"),
        (spin, "interrupted"),
        (lambda lane: (interrupt(lane, "another"), work())[1], "done"),
        (lambda lane: (work(), interrupt(lane))[0], "done"),
    ],
    ids=["before the task", "in the task", "another call", "after the task"],
)
def test_an_interruption_is_raised_in_its_task(act, found):
    """One that comes before the task is raised where the task begins: no second one follows, only the hard limit would end it."""
    assert in_a_lane(act) == [found, []]
