"""Pools other than prefork, by every way in: the worker says what it found, and does not start."""

from __future__ import annotations

import os

import pytest

from offbeat.deployment.spec import read

pytestmark = pytest.mark.faults
THREADS = "celery.concurrency.thread:TaskPool"


@pytest.mark.fault("a worker starts with a pool other than prefork")
@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [
        (["-P", "threads"], {}, THREADS),
        (["--pool=solo"], {}, "celery.concurrency.solo:TaskPool"),
        ([], {"CELERY_WORKER_POOL": "threads"}, THREADS),
        (["-P", "custom"], {"CELERY_CUSTOM_WORKER_POOL": THREADS}, THREADS),
    ],
)
def test_a_pool_that_is_not_safe_is_refused(stack, arguments, environment, found):
    """78, and one line with the pool that was found and the one that is right: no message is taken."""
    worker = stack.start("worker", [*read().service("worker").argv, *arguments], **environment)

    assert worker.wait(30) == os.EX_CONFIG
    (line,) = [line for line in worker.output.splitlines() if line.startswith("Error: ")]
    assert line == (
        f"Error: the worker's pool is {found}: should be prefork, the only pool in which a message runs once and "
        "time limits work. Hint: start it without -P or --pool, and without CELERY_WORKER_POOL; in a test "
        "call run_jobs() of offbeat.jobs.testing"
    )
    assert "Traceback" not in worker.output


def test_a_pool_that_the_settings_say_is_refused(stack):
    """A line in the settings is found by `check`, so by the release, and stops a worker that starts all the same."""
    (stack.folder / "threaded.py").write_text(
        'from tests.offbeat.settings import *\nCELERY_WORKER_POOL = "threads"\n'
    )
    threaded = {
        "DJANGO_SETTINGS_MODULE": "threaded",
        "PYTHONPATH": f"{stack.folder}{os.pathsep}{stack.environment['PYTHONPATH']}",
    }

    checked = stack.manage("check", **threaded)
    worker = stack.start("worker", read().service("worker").argv, **threaded)

    assert (checked.returncode, worker.wait(30)) == (1, os.EX_CONFIG)
    assert "(offbeat_jobs.E010) The worker's pool is threads: should be prefork" in checked.stderr
    assert f"Error: the worker's pool is {THREADS}: should be prefork" in worker.output


@pytest.mark.parametrize("pool", ["prefork", "processes"])
def test_prefork_by_either_name_is_taken(stack, pool):
    """Celery has two names for it."""
    assert stack.worker("--pool", pool).is_running
