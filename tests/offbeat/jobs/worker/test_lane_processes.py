"""The processes of lanes, where one cannot be started, dies at its start or never gets through it."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import socket
import subprocess
import sys

import pytest

from offbeat.jobs import lanes
from offbeat.jobs.worker import lane_process, lane_processes
from offbeat.jobs.worker.lane_channel import Channel, Ready
from offbeat.jobs.worker.lane_limits import task_starts
from offbeat.jobs.worker.lane_process import LaneProcess
from offbeat.jobs.worker.lane_processes import LaneProcesses
from tests.offbeat.support.polling import wait_until

DIES, HANGS = "raise SystemExit(3)", "import time; time.sleep(60)"


class Starter:
    """Starts processes that run some Python, and counts them."""

    def __init__(self, *programs):
        self.programs, self.started = list(programs), 0

    def __call__(self, numbers, others):
        self.started += 1
        program = self.programs.pop(0) if len(self.programs) > 1 else self.programs[0]
        if isinstance(program, OSError):
            raise program
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen([sys.executable, "-c", program])
        process.returncode = 0  # waited for by `LaneProcess.is_dead`
        return LaneProcess(process.pid, Channel(ours), task_starts(len(numbers)), list(numbers))


@pytest.fixture
def processes(monkeypatch):
    monkeypatch.setattr(lanes, "living", set())
    made = []

    def make(*programs):
        made.append(LaneProcesses(Starter(*programs), 2))
        return made[0]

    yield make
    for each in made[0].all:
        each.kill()
        wait_until(each.is_dead)
        each.channel.close()


def wait_for_death(processes):
    dead = []
    wait_until(lambda: dead.extend(processes.bury()) or dead)
    return dead


@pytest.mark.parametrize("kind", ["shared", "alone"])
def test_one_that_dies_at_its_start_is_not_replaced_at_once(processes, monkeypatch, caplog, kind):
    """The next one would die as well, and the worker would do nothing but fork and say so."""
    some = processes(DIES)
    monkeypatch.setattr(lane_processes, "START_AGAIN", 3_600)

    assert getattr(some, kind)() is None
    wait_for_death(some)
    assert getattr(some, kind)() is None

    assert (some._start.started, some.all) == (1, [])  # noqa: SLF001  the starter above
    assert (
        "a process of lanes has ended while it started: Worker exited prematurely: exitcode 3" in caplog.text
    )
    monkeypatch.setattr(some, "_starts_again_at", 0)
    getattr(some, kind)()
    assert some._start.started == 2  # noqa: SLF001  as above


def test_a_worn_one_goes_on_where_its_successors_die(processes, monkeypatch):
    some = processes(HANGS, DIES)
    monkeypatch.setattr(lane_processes, "START_AGAIN", 3_600)
    some.shared()
    (worn,) = some.all
    some.note_ready(worn)

    some.renew(worn)
    wait_for_death(some)
    some.renew(worn)

    assert some._start.started == 2  # noqa: SLF001  as above
    assert some.shared() is worn


def test_one_that_cannot_be_started_is_started_later(processes, monkeypatch, caplog):
    """A container has all the processes that it may have for a moment; what waits for this one is not lost by that."""
    some = processes(OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)), HANGS)
    monkeypatch.setattr(lane_processes, "START_AGAIN", 0)

    assert some.shared() is None

    assert "a process of lanes cannot be started: Resource temporarily unavailable" in caplog.text
    assert some.shared() is None
    (process,) = some.all
    some.note_ready(process)
    assert some.shared() is process


def test_one_that_does_not_get_through_its_start_is_ended(processes, monkeypatch, caplog):
    """Else its calls would wait for it for ever."""
    some = processes(HANGS)
    some.shared()
    assert list(some.bury()) == []
    monkeypatch.setattr(lane_processes, "STARTING", 0)

    ((_, how),) = wait_for_death(some)

    assert how == "Worker exited prematurely: signal 9 (SIGKILL)"
    assert "a process of lanes has ended while it started" in caplog.text


def test_one_that_is_no_longer_needed_while_it_starts_has_not_failed(processes, monkeypatch, caplog):
    """What was to run alone may be gone by then: the next one that needs a process does not wait for that."""
    some = processes(HANGS)
    monkeypatch.setattr(lane_process, "LAST_WORDS", 0)
    some.alone()
    (process,) = some.all

    process.is_retiring = True
    process.let_go(1.0)
    process.let_go(2.0)
    wait_for_death(some)
    some.alone()

    assert some._start.started == 2  # noqa: SLF001  as above
    assert caplog.text == ""


def test_none_is_started_by_a_worker_that_stops(processes):
    """Nobody would end it."""
    some = processes(HANGS)
    some.close()

    assert some.shared() is None
    assert some.all == []


def test_one_whose_file_has_a_large_number_is_heard(processes):
    """A worker whose main process has more than a thousand files open still hears of what its lanes have done."""
    some = processes(HANGS)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    try:
        some.shared()
        (process,) = some.all
        ours, theirs = socket.socketpair()
        large = socket.socket(fileno=fcntl.fcntl(ours.fileno(), fcntl.F_DUPFD_CLOEXEC, 1_100))
        ours.close()
        process.channel.close()
        process.channel = Channel(large)
        with theirs:
            Channel(theirs).send(Ready(1))

            assert [frames for _, frames in some.receive(60)] == [[Ready(1)]]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
