"""What the pool of prefork begins, and when, and what limits its tasks."""

from __future__ import annotations

import os
import signal
import time

import pytest
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from tests.offbeat.jobs.worker.conftest import turn


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


@pytest.mark.parametrize(("is_killed", "begun"), [(False, []), (True, [1])])
def test_a_child_that_exits_frees_the_place_of_what_is_lost_with_it(loop, start_pool, is_killed, begun):
    """And no other: what is begun beyond one for each child cannot go back to its queue, however long the others take."""
    places, answers, began = LaxBoundedSemaphore(1), [], []
    pool = start_pool(maxtasksperchild=2 if is_killed else 1, semaphore=places)
    (child,) = pool._pool  # noqa: SLF001  as above
    places.acquire(pool.apply_async, time.sleep, [60], accept_callback=lambda *_: began.append(1))
    places.acquire(answers.append, 1)
    if is_killed:
        turn(loop, lambda: began)
        os.kill(child.pid, signal.SIGKILL)

    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above

    assert answers == begun


def test_what_goes_on_keeps_its_place(loop, start_pool):
    """Celery frees all places where the broker is lost; the same: what is begun in one of them cannot go back to its queue."""
    places, began = LaxBoundedSemaphore(2), []
    pool = start_pool(children=2, semaphore=places)
    places.acquire(pool.apply_async, time.sleep, [60], accept_callback=lambda *_: began.append(1))
    turn(loop, lambda: began)

    places.clear()
    pool.flush()
    pool.register_with_event_loop(loop)

    assert places.value == 1


@pytest.mark.parametrize(
    "limits", [{"soft_timeout": 600}, {"timeout": 600}, {"soft_timeout": 500, "timeout": 600}]
)
def test_the_limit_of_a_task_that_has_ended_leaves_nothing_in_the_loop(loop, pool, limits):
    """Celery's timers stay there until the limit would have passed."""
    answers = []
    before = len(loop.timer.queue)

    for number in range(1, 11):
        pool.apply_async(os.getpid, callback=answers.append, **limits)
        turn(loop, lambda expected=number: len(answers) == expected)

    assert len(loop.timer.queue) - before <= 1


@pytest.mark.parametrize("connects_anew", [False, True])
def test_limits_that_pass(loop, pool, connects_anew):
    """The soft one, and the hard one of a task that goes on; also where the broker is lost meanwhile."""
    passed, began = [], []
    pool.apply_async(
        stay,
        accept_callback=lambda *_: began.append(time.monotonic()),
        timeout_callback=lambda soft, timeout: passed.append((soft, timeout, time.monotonic() - began[0])),
        soft_timeout=0.5,
        timeout=1,
    )
    turn(loop, lambda: began)
    if connects_anew:
        loop.timer.clear()
        pool.register_with_event_loop(loop)
        loop.call_repeatedly(0.02, lambda: None)

    turn(loop, lambda: len(passed) == 2)

    (soft, hard) = passed
    assert (soft[:2], hard[:2]) == ((True, 0.5), (False, 1))
    assert (soft[2] >= 0.5, hard[2] >= 1) == (True, True)


def stay():
    """Hear no soft limit."""
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    time.sleep(60)


def test_a_shorter_limit_passes_before_a_longer_one(loop, start_pool):
    """The timer of the task that began first does not keep it waiting."""
    pool = start_pool(children=2)
    began, passed = [], []
    for seconds in (600, 0.2):
        pool.apply_async(
            stay,
            accept_callback=lambda *_: began.append(1),
            timeout_callback=lambda timeout, **_: passed.append(timeout),
            timeout=seconds,
        )
        turn(loop, lambda: began)

    turn(loop, lambda: passed)

    assert passed == [0.2]
