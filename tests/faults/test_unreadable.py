"""Messages that no worker can take: put aside with the reason, while the worker goes on."""

from __future__ import annotations

import os
import random

import pytest

from jobs import unreadable
from tests.faults.effects import tasks
from tests.faults.shapes import SHAPES, plain
from tests.support.polling import wait_until

pytestmark = pytest.mark.faults


def put_aside():
    return sum(unreadable.counts().values())


def test_every_shape(faults):
    """Each of them is put aside, counted, with a reason; one worker does that, and the jobs before, between and after them."""
    assert len(SHAPES) >= 75
    worker = faults.quick_worker()
    tasks.work.enqueue("before")
    with faults.redis.connect() as client:
        for number, (name, raw) in enumerate(SHAPES.items(), start=1):
            print("now:", name)
            client.lpush("default", raw)
            wait_until(lambda known=number: not worker.is_running or put_aside() == known)

    assert worker.is_running
    tasks.work.enqueue("after")
    faults.wait_for_all()
    assert (faults.happened("before"), faults.happened("after")) == (1, 1)
    assert len(unreadable.kept()) == put_aside() == len(SHAPES)
    assert all(one.reason for one in unreadable.kept())
    assert worker.stop() == 0  # nothing of them is in hand: a stopping worker waits for that

