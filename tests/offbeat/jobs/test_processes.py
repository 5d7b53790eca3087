"""Whether a process of this machine has died: with /proc, without it as on macOS, and without `ps` too."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from offbeat.jobs.processes import is_alive, wait_for_death


@pytest.fixture(params=["/proc", "ps", "signals"])
def way(request, monkeypatch, tmp_path):
    """Each way in which it can be seen."""
    if request.param != "/proc":
        monkeypatch.setattr("offbeat.jobs.processes.PROC", tmp_path)
    if request.param == "signals":
        monkeypatch.setenv("PATH", str(tmp_path))
    return request.param


@pytest.fixture
def child():
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        yield child
        child.kill()


def test_what_runs_is_alive(way, child):
    """A process of ours, one that is stopped, and one of another user."""
    child.send_signal(signal.SIGSTOP)

    assert is_alive(os.getpid())
    assert is_alive(1)
    assert is_alive(child.pid)


def test_what_has_gone_is_dead(way, child):
    """Nothing has its pid any more."""
    child.kill()
    child.wait()

    assert not is_alive(child.pid)


def test_a_zombie_is_dead(way, child):
    """It has ended, and its parent has not asked. Signals alone cannot tell."""
    child.kill()
    wait_for_death([child.pid])

    assert is_alive(child.pid) == (way == "signals")
