"""The pool of prefork, as real processes in a real event loop, that tests turn."""

from __future__ import annotations

import os
import signal

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from offbeat.jobs.worker.child_pool import LedgerChildren
from tests.offbeat.support.polling import wait_until


@pytest.fixture
def loop():
    """Turns the event loop once, at each call."""
    before = get_event_loop()
    set_event_loop(hub := Hub())
    hub.call_repeatedly(0.02, lambda: None)
    yield hub
    hub.close()
    set_event_loop(before)


@pytest.fixture
def start_pool(loop):
    """Starts pools, of one child if nothing else is said; a child is ready."""
    pools = []

    def start(children=1, **options):
        options = {"semaphore": LaxBoundedSemaphore(children)} | options
        pools.append(pool := LedgerChildren(children, threads=False, enable_timeouts=True, **options))
        pool.register_with_event_loop(loop)
        answers = []
        pool.apply_async(os.getpid, callback=answers.append)
        turn(loop, lambda: answers)
        return pool

    yield start
    for child in [each for pool in pools for each in pool._pool]:  # noqa: SLF001  billiard's list
        os.kill(child.pid, signal.SIGKILL)
        child.join()


@pytest.fixture
def pool(start_pool):
    return start_pool()


def turn(loop, ask):
    """Turn the loop until something is so."""
    turns = loop.create_loop()
    wait_until(lambda: next(turns) or ask(), pause=0)
