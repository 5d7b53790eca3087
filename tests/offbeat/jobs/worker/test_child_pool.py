"""The pool of prefork, as real processes in a real event loop."""

from __future__ import annotations

import os
import signal

import pytest
from kombu.asynchronous import Hub, get_event_loop, set_event_loop

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
def pool(loop):
    """A pool of one child, which is ready."""
    pool = LedgerChildren(1, threads=False)
    (child,) = pool._pool  # noqa: SLF001  billiard's list
    pool.register_with_event_loop(loop)
    ready = []
    pool.apply_async(os.getpid, callback=ready.append)
    turn(loop, lambda: ready)
    yield pool
    os.kill(child.pid, signal.SIGKILL)
    child.join()


def turn(loop, ask):
    """Turn the loop until something is so."""
    turns = loop.create_loop()
    wait_until(lambda: next(turns) or ask(), pause=0)


def test_a_free_child_is_given_its_task_at_once(loop, pool):
    """Not in the loop's next turn; nothing is registered for that."""
    answers = []

    pool.apply_async(os.getpid, callback=answers.append)
    waiting, registered = list(pool.outbound_buffer), set(loop.consolidate)

    turn(loop, lambda: answers)
    assert (waiting, registered) == ([], set())


def test_a_second_task_waits_for_the_first(loop, pool):
    """The child is given it when it has answered; nothing of it is in its hand before."""
    answers = []

    for _ in range(3):
        pool.apply_async(os.getpid, callback=answers.append)
    waiting = len(pool.outbound_buffer)

    turn(loop, lambda: len(answers) == 3)
    assert waiting == 2
    assert not pool.outbound_buffer
