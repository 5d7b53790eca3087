"""The pool of prefork, as real processes in a real event loop."""

from __future__ import annotations

import os
import signal
import sys
import time

import billiard.compat
import pytest
from billiard.exceptions import WorkerLostError
from billiard.pool import EX_RECYCLE
from billiard.sharedctypes import Synchronized
from kombu.asynchronous import Hub, get_event_loop, set_event_loop
from kombu.asynchronous.semaphore import LaxBoundedSemaphore

from offbeat.jobs import open_end
from offbeat.jobs.processes import is_alive
from offbeat.jobs.worker.child_pool import LedgerChildren
from tests.offbeat.support.polling import wait_until

LARGE = 10**9  # kB


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
    """Its files are closed before it is dead, and so the loop looks again soon: it neither waits for that nor for five seconds."""
    (child,) = pool._pool  # noqa: SLF001  as above
    later, loop.call_later = loop.call_later, lambda *call: looks.append(call)
    looks = []
    pool._event_process_exit(loop, child)  # noqa: SLF001  as the loop calls it
    loop.call_later = later
    (seconds, look, *values), *_ = looks
    os.kill(child.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(child.pid))

    look(*values)

    (other,) = pool._pool  # noqa: SLF001  as above
    assert other.pid != child.pid
    assert seconds < 0.1


def test_a_child_that_dies_at_its_start_is_not_replaced_at_once(loop, start_pool):
    """The next one would die as well, and the worker would do nothing but fork and say so."""
    pool = start_pool()
    pool._initializer = lambda: os._exit(1)  # noqa: SLF001  of those that follow
    (first,) = pool._pool  # noqa: SLF001  as above
    os.kill(first.pid, signal.SIGKILL)
    turn(loop, lambda: first not in pool._pool)  # noqa: SLF001  as above
    (second,) = pool._pool  # noqa: SLF001  as above
    maintained, pool.maintain_pool = [], lambda: maintained.append(1)

    turn(loop, lambda: second._sentinel_poll is None)  # noqa: SLF001  as above

    assert maintained == []
    turn(loop, lambda: maintained)


def test_a_child_that_waits_for_its_answer_to_be_read_holds_no_lock(loop, start_pool):
    """Killed with the lock of the counter, it would stop the main process for ever."""

    def begin():
        Synchronized.value = property(lambda _: os._exit(1))  # which takes it

    pool = start_pool(initializer=begin, maxtasksperchild=1)
    (child,) = pool._pool  # noqa: SLF001  as above

    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above

    assert child.exitcode == EX_RECYCLE


def test_a_child_records_its_last_end_before_its_answer_is_read(loop, start_pool, tmp_path):
    """A main process that stands still keeps no job in a state that it is no longer in."""
    acts = tmp_path / "acts"

    def note(what):
        return lambda *_: acts.open("a").write(f"{what}\n")

    def begin():
        open_end.record_end, time.sleep = note("records"), note("waits")

    pool = start_pool(initializer=begin, maxtasksperchild=2)
    pool.apply_async(os.getpid)

    wait_until(acts.exists)
    (child,) = pool._pool  # noqa: SLF001  as above
    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above
    assert acts.read_text().splitlines()[0] == "records"


def test_a_child_that_has_done_its_share_gets_nothing_else(loop, start_pool):
    """What it is given would wait for its receivers of the exit, and for a new one, beside others that are free."""
    pool = start_pool(maxtasksperchild=1)
    answers = []

    pool.apply_async(os.getpid, callback=answers.append)

    assert len(pool.outbound_buffer) == 1
    turn(loop, lambda: answers)


@pytest.mark.parametrize("later", [LARGE, 0], ids=["large", "seems small"])
def test_a_child_that_has_grown_too_large_gets_nothing_else(loop, start_pool, later):
    """The same; and it exits, whatever it looks like after it has said so, for it is given nothing any more."""
    sizes = [LARGE, later]

    def begin():
        billiard.compat.maxrss_to_kb = lambda _: sizes.pop(0) if sizes else 0

    pool = start_pool(initializer=begin, max_memory_per_child=LARGE - 1)
    (child,) = pool._pool  # noqa: SLF001  as above
    answers = []

    pool.apply_async(os.getpid, callback=answers.append)

    assert len(pool.outbound_buffer) == 1
    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above
    assert child.exitcode == EX_RECYCLE
    turn(loop, lambda: answers)


def test_a_child_that_exits_leaves_nothing_that_it_has_written(loop, start_pool, tmp_path):
    """A pipe gets it in blocks, and `os._exit` would keep the last one."""
    said = tmp_path / "said"

    def begin():
        sys.stdout, sys.stderr = None, said.open("a")  # the successor begins as well

    pool = start_pool(initializer=begin, maxtasksperchild=2)
    (child,) = pool._pool  # noqa: SLF001  as above
    pool.apply_async(warn)

    turn(loop, lambda: child not in pool._pool)  # noqa: SLF001  as above

    assert said.read_text() == "half a line"


def warn():
    sys.stderr.write("half a line")


def test_a_task_of_a_killed_child_begins_no_second_time(loop, pool, tmp_path):
    """What the child has said is read first, also where the main process was busy meanwhile: it is lost, and not given on."""
    begun, ends = tmp_path / "begun", []
    (child,) = pool._pool  # noqa: SLF001  as above
    pool.apply_async(
        begin_for_ever,
        [begun],
        accept_callback=lambda *_: ends.append("accepted"),
        error_callback=ends.append,
    )
    wait_until(begun.exists)

    os.kill(child.pid, signal.SIGKILL)
    pool.apply_async(os.getpid, callback=lambda _: ends.append("next"))
    turn(loop, lambda: "next" in ends)

    accepted, lost, _ = ends
    assert (accepted, type(lost.exception.exc)) == ("accepted", WorkerLostError)
    assert begun.read_text() == "1"


def begin_for_ever(begun):
    with begun.open("a") as file:
        file.write("1")
    time.sleep(60)


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
