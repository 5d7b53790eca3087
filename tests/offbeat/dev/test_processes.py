"""Processes that live together on one terminal."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import psutil
import pytest

from offbeat.dev.launch import Launch
from offbeat.dev.processes import TIME, Processes
from tests.offbeat.support.polling import wait_until

PRINTS = [sys.executable, "-c", "print('caf\\u00e9')"]
PRINTS_FORCE_COLOR = [
    sys.executable,
    "-c",
    "import os; print('FORCE_COLOR =', os.environ.get('FORCE_COLOR'))",
]
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
# A deaf process, with a deaf child in a session of its own, as a service under the reloader is.
DEAF_WITH_CHILD = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}], start_new_session=True); {DEAF}"


@pytest.fixture
def processes():
    with Processes(os.environ) as processes:
        yield processes


def test_output_is_under_the_name(processes, capfd):
    """Each line is printed with the time and the process that wrote it."""
    processes.start("worker", Launch(PRINTS, os.environ, 1))
    processes.wait()
    processes.stop()

    assert capfd.readouterr().out.split(" ", 1)[1] == "worker | café\n"


def test_the_first_that_ends_is_named(processes):
    """Whoever waits learns which one ended, and how."""
    processes.start("web", Launch([sys.executable, "-c", "import time; time.sleep(60)"], os.environ, 1))
    processes.start("worker", Launch([sys.executable, "-c", "raise SystemExit(3)"], os.environ, 1))

    ended = processes.wait()

    assert (ended.name, ended.process.returncode) == ("worker", 3)


def test_what_does_not_stop_is_ended_with_all_below_it(processes, capfd):
    """When the grace is over the process is killed, and its children in other sessions too, before we return."""
    member = processes.start("worker", Launch([sys.executable, "-c", DEAF_WITH_CHILD], os.environ, 0.2))
    said = []
    wait_until(lambda: said.append(capfd.readouterr().out) or "".join(said).count("deaf") == 2)
    children = psutil.Process(member.process.pid).children()

    processes.stop()

    assert member.process.returncode == -9
    assert len(children) == 1
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


@pytest.mark.parametrize(
    ("terminal", "variables", "forced"),
    [(True, {}, "1"), (True, {"NO_COLOR": "1"}, None), (False, {}, None)],
    ids=["terminal", "NO_COLOR", "file"],
)
def test_colours_are_for_terminals(monkeypatch, capfd, terminal, variables, forced):
    """On a terminal the children are told to colour, for they see a pipe; NO_COLOR wins."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)

    with Processes(os.environ | variables) as processes:
        processes.start("web", Launch(PRINTS_FORCE_COLOR, os.environ, 1))
        processes.wait()

    said = capfd.readouterr().out
    assert f"FORCE_COLOR = {forced}" in said
    assert ("\033[" in said) == bool(forced)


ON_A_TERMINAL = f"""
import os
from offbeat.dev.launch import Launch
from offbeat.dev.processes import Processes
environment = os.environ | {{"PYTHONIOENCODING": "utf-8"}}
with Processes(environment) as processes:
    processes.start("web", Launch({PRINTS!r}, environment))
    processes.wait()
"""


def test_a_terminal_of_few_letters_costs_no_line():
    """A letter that the terminal does not know is escaped: a process whose output nobody took any more would fail."""
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}

    done = subprocess.run(
        [sys.executable, "-c", ON_A_TERMINAL], env=environment, capture_output=True, text=True, check=False
    )

    assert done.stdout.endswith(" web    | caf\\xe9\n")
    assert done.stderr == ""


DATED = [
    "2026-11-26T17:09:59.304462Z [info     ] Starting",
    "\033[2m2026-11-26T17:09:59.304462Z\033[0m [info     ] Starting",
    "[2026-11-26 17:09:59 +0000] [info     ] Starting",
]


@pytest.mark.parametrize("line", DATED)
def test_each_line_has_one_time(line):
    """A process' own time is left out: the terminal has ours already."""
    assert re.sub(r"\033\[\d*m", "", TIME.sub(r"\1\2", line)) == "[info     ] Starting"


PRINTS_AND_WAITS = """
import signal, sys, time
def stop(*_):
    print("asked to stop", flush=True)
    time.sleep(0.3)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print(f"started {sys.argv[1]}", flush=True)
while True:
    time.sleep(0.05)
"""


def test_a_replaced_process_is_asked_once(processes, capfd):
    """The old one is asked to stop one time, whatever comes meanwhile; the last that was wanted is started when it has ended."""
    launches = [Launch([sys.executable, "-c", PRINTS_AND_WAITS, name], os.environ, 5) for name in "abc"]
    said = []
    processes.start("worker", launches[0])
    wait_until(lambda: said.append(capfd.readouterr().out) or "started a" in "".join(said))

    processes.replace("worker", launches[1])
    processes.replace("worker", launches[2])
    wait_until(
        lambda: processes.settle() or said.append(capfd.readouterr().out) or "started c" in "".join(said)
    )

    assert "".join(said).count("asked to stop") == 1
    assert "started b" not in "".join(said)
    assert processes.ended() is None


def test_a_breakpoint_says_where_there_is_a_terminal():
    """A process of ./run up has none: a debugger would end at once, without a word."""
    with Processes(os.environ) as processes:
        member = processes.start("web", Launch([sys.executable, "-c", "breakpoint()"], os.environ))
        member.process.wait(30)
        member.output.join(30)

    assert member.process.returncode == 1


def test_a_breakpoint_of_another_debugger():
    """Who has set one keeps it."""
    environment = os.environ | {"PYTHONBREAKPOINT": "0"}
    with Processes(environment) as processes:
        member = processes.start("web", Launch([sys.executable, "-c", "breakpoint()"], environment))

        assert member.process.wait(30) == 0
