"""The pool of prefork, as real processes in a real event loop."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from billiard.pool import EX_RECYCLE
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
def start_pool(loop):
    """Starts pools of one child, which is ready."""
    pools = []

    def start(**options):
        pools.append(pool := LedgerChildren(1, threads=False, **options))
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


def test_a_child_that_has_done_its_share_exits_at_once(loop, start_pool, tmp_path):
    """It ignores SIGTERM, as children of a worker do: nothing that it waits for comes."""
    sleeps = tmp_path / "sleeps"

    def begin():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep = lambda seconds: sleeps.open("a").write(f"{seconds}\n")

    pool = start_pool(initializer=begin, maxtasksperchild=1, on_process_exit=lambda *_: sleeps.write_text(""))
    (child,) = pool._pool  # noqa: SLF001  as above

    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above

    assert child.exitcode == EX_RECYCLE
    assert sleeps.read_text() == ""


def test_a_child_is_replaced_as_soon_as_it_dies(loop, pool):
    """Its files are closed before it is dead: seen in between, it was taken for alive, and looked at after five seconds."""
    (child,) = pool._pool  # noqa: SLF001  as above
    threading.Timer(0.05, os.kill, [child.pid, signal.SIGKILL]).start()

    pool._event_process_exit(loop, child)  # noqa: SLF001  as the loop calls it

    (other,) = pool._pool  # noqa: SLF001  as above
    assert other.pid != child.pid
