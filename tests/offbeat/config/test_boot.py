"""What leaves a process with one message, and what is a bug and keeps its traceback."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap

import django.db
import kombu.exceptions
import pytest

from offbeat import garbage_collector
from offbeat.boot import clear_errors
from tests.offbeat.support.running import CHECKOUT


def test_a_database_that_is_away(capsys):
    """An error of Django's database ends the process with 69 (EX_UNAVAILABLE) and the first line of what it said."""
    with pytest.raises(SystemExit) as left, clear_errors():
        raise django.db.OperationalError("no route\nto host")

    assert left.value.code == os.EX_UNAVAILABLE
    assert capsys.readouterr().err.startswith("Error: DATABASE_URL (PostgreSQL at ")


def test_another_librarys_error_is_not_the_databases():
    """Kombu has an OperationalError too: a Redis that is away is not blamed on PostgreSQL."""
    with pytest.raises(kombu.exceptions.OperationalError, match="redis is away"), clear_errors():
        raise kombu.exceptions.OperationalError("redis is away")


UNCAUGHT = """
import threading
from offbeat.boot import read_settings
read_settings()
def fail():
    try:
        raise KeyError("redis://:hunter2@redis")
    except KeyError as error:
        error.add_note("password: hunter2")
        raise RuntimeError("token=hunter2") from error
thread = threading.Thread(target=fail)
thread.start(); thread.join()
fail()
"""


def test_what_nobody_catches_is_printed_without_secrets():
    """By a command, as by a thread of any process: the traceback is there, with its causes, and no password."""
    done = subprocess.run(
        [sys.executable, "-c", UNCAUGHT], capture_output=True, text=True, check=False, timeout=60
    )

    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: token=***") == 2
    assert "redis://***@redis" in done.stderr
    assert "hunter2" not in "".join(line for line in done.stderr.splitlines() if "raise" not in line)


@pytest.mark.parametrize(("pid", "code"), [(1, 143), (2, -signal.SIGTERM)])
def test_sigterm_ends_process_1(pid, code):
    """To process 1 the kernel gives no signal without a handler: a release in a container ends like any other command."""
    program = f"""
        import os, time
        os.getpid = lambda: {pid}
        from offbeat.first_process import end_on_sigterm
        end_on_sigterm()
        print("ready", flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout.readline() == "ready\n"
        running.terminate()

        assert running.wait(60) == code


def test_web_ends_at_sigterm_from_the_start():
    """Before gunicorn and Django are imported, which takes long enough to be stopped in it."""
    program = """
        import os, runpy, signal, sys, types
        os.getpid = lambda: 1
        gunicorn = types.SimpleNamespace(run=lambda: callable(signal.getsignal(signal.SIGTERM)) + 10)
        sys.modules["gunicorn.app.wsgiapp"] = gunicorn
        runpy.run_path("src/offbeat/gunicorn.py", run_name="__main__")
    """

    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False, cwd=CHECKOUT)

    assert done.returncode == 11


@pytest.mark.parametrize(("name", "missing"), [("other.settings", "other"), ("config.other", "config.other")])
def test_settings_of_another_project(name, missing):
    """A shell that works on two projects brings the other's module: that is one line, which names the variable."""
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=CHECKOUT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": name},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 78
    assert done.stderr.startswith(
        f"Error: DJANGO_SETTINGS_MODULE is {name}, and there is no module {missing}. Hint: unset it"
    )
    assert "Traceback" not in done.stderr


STARTED = """
import gc
from offbeat.boot import read_settings
read_settings()
print(gc.isenabled(), gc.get_freeze_count())
import django
django.setup()
print(gc.isenabled(), gc.get_freeze_count(), len(gc.get_objects()))
"""


def test_what_a_start_imports_is_in_no_round_of_the_garbage_collector():
    """Nor in the last one, at the end of a process: that was a third of the CPU of a short command."""
    done = subprocess.run(
        [sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, timeout=60
    )

    first, second = (line.split() for line in done.stdout.splitlines())
    assert first[0] == second[0] == "True"
    assert int(second[1]) > int(first[1]) > 10_000
    assert int(second[2]) < int(second[1]) / 10


def test_a_garbage_collector_that_is_off_stays_off():
    """Who has switched it off decides when it goes on."""
    gc.disable()
    try:
        with garbage_collector.paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()
