"""Pools that are not supported, by every way in: the worker says what it found, and does not start."""

from __future__ import annotations

import os

import pytest

from offbeat.deployment.spec import read
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks

pytestmark = pytest.mark.faults
EVENTLET = "Error: the worker's pool is eventlet, which is not supported: it is no longer maintained, and use gevent in its place. "


@pytest.mark.fault("a worker starts with a pool that is not supported")
@pytest.mark.parametrize(
    ("arguments", "environment", "found"),
    [
        (["-P", "eventlet"], {}, EVENTLET),
        (["--pool=eventlet"], {}, EVENTLET),
        ([], {"CELERY_WORKER_POOL": "eventlet"}, EVENTLET),
        (
            ["-P", "custom"],
            {"CELERY_CUSTOM_WORKER_POOL": "celery.concurrency.thread:TaskPool"},
            "Error: the worker's pool is custom",
        ),
        (["--autoscale", "4,1"], {}, "Error: --autoscale is not supported: "),
        (["-P", "threads", "-c", "100000"], {}, "Error: --concurrency is 100000, and may be 1000 at most."),
    ],
)
def test_a_pool_that_is_not_safe_is_refused(stack, arguments, environment, found):
    """78, and one line with the pool that was found and those that are right: no message is taken."""
    worker = stack.start("worker", [*read().service("worker").argv, *arguments], **environment)

    assert worker.wait(30) == os.EX_CONFIG
    (line,) = [line for line in worker.output.splitlines() if line.startswith("Error: ")]
    assert line.startswith(found)
    assert " Hint: " in line
    assert "Traceback" not in worker.output


def test_a_pool_that_the_settings_say_is_refused(stack):
    """A line in the settings is found by `check`, so by the release, and stops a worker that starts all the same."""
    (stack.folder / "pooled.py").write_text(
        'from tests.offbeat.settings import *\nCELERY_WORKER_POOL = "eventlet"\n'
    )
    pooled = {
        "DJANGO_SETTINGS_MODULE": "pooled",
        "PYTHONPATH": f"{stack.folder}{os.pathsep}{stack.environment['PYTHONPATH']}",
    }

    checked = stack.manage("check", **pooled)
    worker = stack.start("worker", read().service("worker").argv, **pooled)

    assert (checked.returncode, worker.wait(30)) == (1, os.EX_CONFIG)
    assert "(offbeat_jobs.E010) The worker's pool is eventlet, which is not supported" in checked.stderr
    assert EVENTLET in worker.output


def test_a_job_in_the_main_thread(faults):
    """The pool `solo`, for a debugger: it works, and a stop returns its job to the queue, not counted."""
    worker = faults.worker("--pool", "solo", OFFBEAT_JOBS_DRAIN="1")
    faults.wait_for_state(tasks.work.enqueue("first"), "succeeded")
    long = tasks.work.enqueue("long", 60)
    faults.wait_for_start("long")

    assert worker.stop(30) == 0

    returned = Job.objects.get(pk=long.pk)
    assert (returned.state in {"pending", "published"}, returned.crashes) == (True, 0)
    assert returned.history[0]["outcome"] == "handed back"


@pytest.mark.parametrize("pool", ["prefork", "processes"])
def test_prefork_by_either_name_is_taken(stack, pool):
    """Celery has two names for it."""
    assert stack.worker("--pool", pool).is_running
