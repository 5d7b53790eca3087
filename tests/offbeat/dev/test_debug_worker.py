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

from offbeat.dev.debug_hold import DebugHold, HoldWatch
from offbeat.dev.launch import Launch
from offbeat.dev.processes import Processes
from offbeat.dev.readiness import Readiness
from offbeat.dev.supervisor import Supervisor
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
    # Ctrl-C in the middle of a job returns it, also where `c` was the last word of a debugger, which takes Ctrl-C for itself.
    stop_at_a_breakpoint.enqueue("d")
    terminal.read_until(r"\(Pdb\)")
    terminal.type("c\n")
    terminal.read_until(r"stop_at_a_breakpoint .* is succeeded")
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


def test_jobs_of_others_are_not_taken(stack):
    """A DATABASE_URL of another machine may be production's."""
    done = stack.manage("debug_worker", "--debug", DATABASE_URL="postgresql://me@db.example.com/shop")

    assert done.returncode == 64
    assert "db.example.com" in done.stderr
    assert "not on this machine, and this worker would take the jobs there" in done.stderr


@pytest.fixture
def hold(tmp_path, monkeypatch):
    monkeypatch.setattr("offbeat.dev.debug_hold.FOLDER", tmp_path)
    with DebugHold(tmp_path) as hold:
        yield hold


class Setup:
    """What ./run up would start."""

    def __init__(self, log):
        self.log = log

    def launches(self):
        script = f"echo starts >> {self.log}; sleep 60"
        return {
            "web": Launch(["sleep", "60"], os.environ),
            "worker": Launch(["sh", "-c", script, "worker"], os.environ),
        }


def test_the_worker_of_up_pauses_meanwhile(hold, tmp_path, capfd):
    """It stops, is not started when a file changes, and goes on when the other one has ended, however it did; web stays."""
    log = tmp_path / "log"
    with Processes(os.environ) as processes:
        supervisor = Supervisor(processes, Setup(log), Readiness(processes, ""))
        launches = supervisor.launches()
        supervisor.apply(launches, set(launches))
        wait_until(lambda: log.exists() and log.read_text() == "starts\n")
        web = processes.members["web"].process.pid

        assert hold.take()
        assert supervisor.debug.has_changed()
        supervisor.follow_debug_worker()
        wait_until(lambda: [processes.settle(), "worker" not in processes.members][1])
        launches = supervisor.launches()
        supervisor.apply(launches, supervisor.choose(launches, {"src/shop.py"}))
        wait_until(lambda: [processes.settle(), processes.members["web"].process.pid != web][1])
        paused = set(processes.members)

        hold.__exit__(None, None, None)
        assert supervisor.debug.has_changed()
        supervisor.follow_debug_worker()
        wait_until(lambda: log.read_text() == "starts\nstarts\n")

    assert paused == {"web"}
    said = capfd.readouterr().out
    assert "takes the jobs in another terminal: the worker here pauses." in said
    assert "has ended: the worker here starts again." in said


@pytest.fixture
def watch(hold):
    assert hold.take()
    watch = HoldWatch()
    watch.has_changed()
    return watch


def test_what_takes_no_jobs_does_not_pause(watch):
    """Only a worker does."""
    assert watch.stops(["python", "manage.py", "worker", "--queues", "mail"])
    assert not watch.stops(["python", "gunicorn.py"])
