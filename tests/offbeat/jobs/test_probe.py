"""The worker's probe, as a platform runs it."""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from offbeat.jobs import probe
from offbeat.jobs.conf import JobsConf
from offbeat.jobs.worker import heartbeat_file

PROBE = Path(probe.__file__)


@pytest.fixture
def beat(tmp_path, monkeypatch):
    """Writes a heartbeat of so many seconds ago."""
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))

    def write(age=0, away=None):
        heartbeat_file.write(None if away is None else time.monotonic() - away)
        values = json.loads((tmp_path / "beat").read_text())
        (tmp_path / "beat").write_text(json.dumps(values | {"at": values["at"] - age}))

    return write


def run(*arguments):
    return subprocess.run(
        [sys.executable, PROBE, *arguments], capture_output=True, text=True, check=False, timeout=10
    )


def test_a_fresh_heartbeat_passes(beat):
    """Exit 0, and one line that says how old it is."""
    beat(12)

    done = run()

    assert (done.returncode, done.stdout, done.stderr) == (0, "last heartbeat 12 s ago\n", "")


def test_an_old_heartbeat_fails(beat):
    """Exit 1: the platform restarts the worker."""
    beat(46)

    done = run()

    assert (done.returncode, done.stdout) == (1, "last heartbeat 46 s ago, at most 45 s are allowed\n")


def test_the_age_is_an_option(beat):
    """For platforms that restart slowly or fast."""
    beat(30)

    assert run("--max-age", "20").returncode == 1
    assert run("--max-age", "40").returncode == 0


def test_a_lost_redis_does_not_fail(beat):
    """Restarting every worker would not bring it back; the line tells."""
    beat(5, away=600)

    done = run()

    assert (done.returncode, done.stdout) == (0, "last heartbeat 5 s ago, Redis unreachable for 600 s\n")


def test_a_heartbeat_from_before_a_restart_of_the_machine_fails(beat):
    """Its clock began anew: the worker of that time is gone."""
    beat(-3600)

    done = run()

    assert done.returncode == 1
    assert "older than the start of this machine" in done.stdout


@pytest.mark.parametrize("content", [None, "", "{}", "[1]", '{"at": null}'])
def test_no_heartbeat_fails(tmp_path, monkeypatch, content):
    """Exit 1 and one line, never a traceback."""
    path = tmp_path / "beat"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(path))

    done = run()

    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith(f"no heartbeat in {path}: ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--max-age"], ["--max-age=30"], ["--max-age", "soon"], ["--help"]])
def test_wrong_arguments_are_told(beat, arguments):
    """Exit 64: a typing error in the platform's settings must not look like a worker that lives."""
    beat()

    done = run(*arguments)

    assert done.returncode == 64
    assert done.stdout == f"Unexpected arguments {' '.join(arguments)}: use --max-age SECONDS\n"
    assert done.stderr == ""


def test_it_is_cheap(beat):
    """Under 0.1 s of CPU: platforms run it every few seconds, beside the worker that it watches."""
    beat()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)

    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.1


def test_it_imports_neither_django_nor_celery(beat):
    """Nothing beyond the standard library, so that a broken environment cannot fail it."""
    beat()
    source = (
        "import runpy, sys; sys.argv = ['probe']\n"
        "try: runpy.run_path(%r, run_name='__main__')\n"
        "except SystemExit: print(*sys.modules)"
    )

    modules = subprocess.run(
        [sys.executable, "-c", source % str(PROBE)], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"django", "celery", "kombu", "redis", "psycopg", "jobs"} & set(modules)


def test_the_limit_is_the_ledgers():
    """The probe reads no settings, so its number is written down twice."""
    assert JobsConf().heartbeat_timeout == probe.MAX_AGE


def test_it_looks_where_the_worker_writes(monkeypatch, tmp_path):
    """Without the variable too."""
    monkeypatch.delenv("OFFBEAT_JOBS_HEARTBEAT_FILE", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    heartbeat_file.write(None)

    assert run().returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["jobs-worker-heartbeat"]
