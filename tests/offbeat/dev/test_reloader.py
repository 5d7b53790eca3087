"""A service that starts anew when a file changes, stopped as the platform stops it."""

from __future__ import annotations

import os
import sys

import psutil
import pytest

from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import Running

RELOADING = "import pathlib, sys; from offbeat.dev.reloader import main; sys.exit(main(sys.argv[2:], pathlib.Path(sys.argv[1])))"
SERVICE = """
import signal, sys, time
def stop(*_):
    print("asked to stop", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("started", flush=True)
while True:
    time.sleep(0.05)
"""
SERVICE_WITH_CHILD = SERVICE.replace(
    'print("started"',
    'import subprocess; subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]); print("started"',
)


class Reloaded:
    """A service in a file that one can edit."""

    def __init__(self, folder):
        self.file = folder / "src" / "service.py"
        self.file.parent.mkdir()
        self.write(SERVICE)
        command = [sys.executable, "-c", RELOADING, str(folder), sys.executable, str(self.file)]
        self.process = Running("reloading", command, os.environ | {"WORKER_GRACE": "1"}, folder / "log")
        self.wait_for(started=1)

    def write(self, text):
        self.file.write_text(text)

    def wait_for(self, *, started):
        wait_until(lambda: self.process.output.count("started\n") == started)


@pytest.fixture
def service(tmp_path):
    service = Reloaded(tmp_path)
    yield service
    service.process.kill()


def test_a_changed_file_starts_it_anew(service):
    """It is asked to stop, by SIGTERM, and started again."""
    service.write(SERVICE + "# changed\n")

    service.wait_for(started=2)
    assert service.process.output.count("asked to stop") == 1


def test_a_mistake_waits_for_its_correction(service):
    """A file that is half saved leaves what runs as it is; one that does not start waits for the next change."""
    service.write("def\n")
    service.process.wait_for("src/service.py, line 1: invalid syntax")
    assert len(service.process.children()) == 1
    service.write("import nothing_there\n")
    service.process.wait_for("waiting for the next change")

    service.write(SERVICE)

    service.wait_for(started=2)


def test_a_service_that_ends_by_itself_ends_the_reloading(service):
    """A crash without a change is not hidden: its exit code is ours."""
    service.process.children()[0].kill()

    assert service.process.wait() == 137


def test_a_crash_leaves_no_child(service):
    """What a crashed service has started ends with it: nobody would stop it later."""
    service.write(SERVICE_WITH_CHILD)
    service.wait_for(started=2)
    main, child = service.process.children()

    main.kill()

    service.process.wait_for("waiting for the next change")
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_stop_is_passed_on(service):
    """SIGTERM reaches the service, which may finish; nothing is left."""
    children = service.process.children()

    code = service.process.stop()

    assert code == 143
    assert "asked to stop" in service.process.output
    assert not any(child.is_running() for child in children)


def test_a_service_that_does_not_stop_is_ended(service):
    """When its grace is over it is killed, and the new one starts."""
    deaf = SERVICE.replace("sys.exit(0)", "pass")
    service.write(deaf)
    service.wait_for(started=2)

    service.write(SERVICE)

    service.wait_for(started=3)
    assert len(service.process.children()) == 1


def test_a_stop_while_it_starts_anew_asks_once(service):
    """A service that is already stopping is not asked again: to a worker a second signal means to hurry."""
    service.write(SERVICE.replace("sys.exit(0)", "pass"))
    service.wait_for(started=2)
    service.write(SERVICE)
    wait_until(lambda: service.process.output.count("asked to stop") == 2)

    code = service.process.stop()

    assert code == 143
    assert service.process.output.count("asked to stop") == 2
    assert service.process.output.count("started\n") == 2
