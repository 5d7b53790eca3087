"""`./run worker --debug`, with a terminal of its own: breakpoint() in a task has it."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import sys
import time

import pytest

from offbeat.dev.debug_hold import DebugHold, ServicePause
from offbeat.dev.reloader import ReloadedService
from offbeat.jobs.models import Job, Worker
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import divide, rest, stop_at_a_breakpoint, work
from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.running import CHECKOUT

QUICK = {"OFFBEAT_JOBS_HEARTBEAT_INTERVAL": "0.3", "OFFBEAT_JOBS_HEARTBEAT_TIMEOUT": "1"}


class Terminal:
    """A pseudo-terminal with a program in it, as a person has it."""

    def __init__(self, command, environment):
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            os.chdir(CHECKOUT)
            os.execve(command[0], command, environment)  # noqa: S606
        self.output = ""

    def read_until(self, text, seconds=60):
        deadline = time.monotonic() + seconds
        while not re.search(text, self.output):
            assert time.monotonic() < deadline, self.output
            if select.select([self.file], [], [], 0.2)[0]:
                try:
                    self.output += os.read(self.file, 65536).decode(errors="replace")
                except OSError:
                    pytest.fail(f"it has ended:\n{self.output}")
        self.output = self.output[re.search(text, self.output).end() :]

    def type(self, text):
        os.write(self.file, text.encode())

    def wait(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def end(self):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.file)


@pytest.fixture
def terminal(stack, tmp_path):
    environment = stack.environment | QUICK | {"LOCAL_DIR": str(tmp_path), "TERM": "dumb"}
    terminal = Terminal([sys.executable, "manage.py", "debug_worker", "--debug"], environment)
    yield terminal
    terminal.end()


def effects():
    return list(Effect.objects.order_by("id").values_list("label", "what"))


def test_a_person_thinks_at_a_breakpoint(stack, terminal):
    """Longer than the task's time limits and the heartbeat's: nothing ends the session, and the job runs once."""
    terminal.read_until(r"Taking jobs from default, mail")
    job = stop_at_a_breakpoint.enqueue("a")
    terminal.read_until(r"\(Pdb\)")
    beat = Worker.objects.get().heartbeat_at
    wait_until(lambda: Worker.objects.get().heartbeat_at.timestamp() > beat.timestamp() + 3)

    terminal.type("p label\n")
    terminal.read_until(r"'a'")
    terminal.type("c\n")
    terminal.read_until(r"stop_at_a_breakpoint .* is succeeded")

    assert effects() == [("a", "start"), ("a", "done")]
    assert (Job.objects.get(pk=job.pk).attempt, Worker.objects.count()) == (1, 1)
    # Whoever leaves the debugger ends the task; plain messages run, too, and so does what comes next.
    job = stop_at_a_breakpoint.enqueue("b")
    terminal.read_until(r"\(Pdb\)")
    terminal.type("q\n")
    if sys.version_info >= (3, 14):
        terminal.read_until("Quit anyway")
        terminal.type("y\n")
    terminal.read_until(rf"is a dead letter .*: .*(BdbQuit|SystemExit).* \./run manage jobs retry {job.pk}")
    divide.delay(1, 0)
    terminal.read_until(r"divide .* failed")
    work.delay("c")
    terminal.read_until(r"work .* succeeded")
    # Ctrl-C in the middle of a job returns it.
    job = rest.enqueue(60)
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "running")
    terminal.type("\x03")

    assert terminal.wait() == 0
    assert Job.objects.get(pk=job.pk).state in {"pending", "published"}
    assert not Worker.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 64, "./run worker takes --debug"),
        (["--debug", "--queues", "mial"], 64, 'no service consumes the queue "mial". Did you mean "mail"?'),
    ],
)
def test_what_it_cannot_do_is_said(stack, arguments, code, said):
    """Before it takes anything."""
    done = stack.manage("debug_worker", *arguments)

    assert done.returncode == code
    assert said in done.stderr


@pytest.fixture
def hold(tmp_path, monkeypatch):
    monkeypatch.setattr("offbeat.dev.debug_hold.FOLDER", tmp_path)
    with DebugHold(tmp_path) as hold:
        yield hold


def test_the_worker_of_up_pauses_meanwhile(hold, tmp_path, capfd):
    """It stops, starts nothing when a file changes, and goes on when the other one has ended, however it did."""
    log = tmp_path / "log"
    service = ReloadedService(["sh", "-c", f"echo starts >> {log}; sleep 60", "worker"])
    service.start()
    wait_until(log.exists)

    assert hold.take()
    assert service.exit_code() is None
    service.start()
    paused = service.process
    hold.__exit__(None, None, None)
    hold = DebugHold(tmp_path)
    assert service.exit_code() is None
    wait_until(lambda: log.read_text() == "starts\nstarts\n")
    service.stop()

    assert paused is None
    said = capfd.readouterr().err
    assert "Paused: ./run worker --debug takes the jobs" in said
    assert "has ended: starting again" in said


def test_web_does_not_pause(hold):
    """Only what takes jobs."""
    assert hold.take()

    assert not ServicePause(["python", "gunicorn.py"]).has_changed()
