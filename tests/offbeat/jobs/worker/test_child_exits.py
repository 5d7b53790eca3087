"""Children of prefork that exit, or die, and what takes their place."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

import billiard.compat
import pytest
from billiard.exceptions import WorkerLostError
from billiard.pool import EX_RECYCLE
from billiard.sharedctypes import Synchronized

from offbeat import machine_limits
from offbeat.jobs import open_end
from offbeat.jobs.processes import is_alive
from offbeat.jobs.worker import child_pool
from tests.offbeat.jobs.worker.conftest import turn
from tests.offbeat.support.polling import wait_until

LARGE = 10**9  # kB


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


@pytest.mark.parametrize("children", [1, 2])
def test_a_child_that_cannot_be_started_is_started_later(loop, start_pool, monkeypatch, caplog, children):
    """A container has all the processes that it may have, or all the memory, only for a moment. The pool would lack it for ever."""
    fork, refusals = os.fork, [OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) for _ in range(3)]
    pool = start_pool(children)
    monkeypatch.setattr(child_pool, "START_AGAIN", 0)
    monkeypatch.setattr(machine_limits, "_logged_at", {})
    monkeypatch.setattr(os, "fork", lambda: refuse(refusals) if refusals else fork())
    first = list(pool._pool)  # noqa: SLF001  as above
    for each in first:
        os.kill(each.pid, signal.SIGKILL)
    answers = []
    for _ in range(4):
        pool.apply_async(os.getpid, callback=answers.append)

    turn(loop, lambda: len(answers) == 4 and len(pool._pool) == children)  # noqa: SLF001  as above

    assert not {each.pid for each in first} & {each.pid for each in pool._pool}  # noqa: SLF001  as above
    assert refusals == []
    assert "a child cannot be started: Resource temporarily unavailable" in caplog.text


def refuse(refusals):
    raise refusals.pop()


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
