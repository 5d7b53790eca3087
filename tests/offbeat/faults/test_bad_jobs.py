"""Jobs that take their process, or their worker, down with them."""

from __future__ import annotations

import pytest

from offbeat.deployment.spec import read
from offbeat.jobs.models import Job
from tests.offbeat.faults.conftest import QUICK
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.mark.brokers(weekly=("rabbitmq",))
@pytest.mark.pools("threads", weekly=("gevent",))
@pytest.mark.fault(
    "a job that crashes, leaks memory until it is killed, or never ends", "a task passes its hard time limit"
)
@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (tasks.segfault, "signal 11 (SIGSEGV)"),
        (tasks.leak, "signal 9 (SIGKILL)"),
        (tasks.never_end, "hard time limit of 2 s exceeded"),
    ],
    ids=["segfaults", "leaks", "never ends"],
)
def test_a_poison_job(faults, task, reason):
    """A job that ends its process each time is a dead letter after max_attempts, with the reason; the worker and others go on."""
    worker = faults.quick_worker()
    poison = task.enqueue("poison")
    Job.objects.filter(pk=poison.pk).update(max_attempts=3)
    others = [tasks.work.enqueue(f"{number}", 0.1) for number in range(20)]

    dead = faults.wait_for_state(poison, "dead", seconds=100)

    assert dead.reason.startswith("3 of 3 attempts ended without an answer; the last: ")
    assert reason in dead.reason
    assert faults.happened("poison", "start") == 3
    assert worker.is_running
    faults.wait_for_all()
    assert Job.objects.filter(pk__in=[job.pk for job in others], state="succeeded").count() == 20


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
@pytest.mark.pools(weekly=("threads",))
@pytest.mark.fault("a job that kills the whole worker at each start")
def test_a_job_that_kills_its_worker(faults):
    """A job that ends the whole process tree each time is a dead letter too, however often the platform restarts the worker."""
    poison = tasks.kill_the_worker.enqueue("killer")
    Job.objects.filter(pk=poison.pk).update(max_attempts=3)
    other = tasks.work.enqueue("other")
    while not Job.objects.get(pk=poison.pk).is_finished:
        worker = faults.stack.start(
            "worker",
            [*read().service("worker").argv, "--concurrency", "1"],
            **QUICK,
            OFFBEAT_JOBS_HEARTBEAT_FILE=str(faults.stack.folder / "beat"),
        )
        wait_until(lambda w=worker: not w.is_running or Job.objects.get(pk=poison.pk).is_finished)

    dead = Job.objects.get(pk=poison.pk)

    assert dead.state == "dead"
    assert "3 of 3 attempts" in dead.reason
    assert faults.happened("killer", "start") == 3
    faults.wait_for_state(other, "succeeded")
