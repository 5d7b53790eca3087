"""`async def` tasks in a real worker: its limits hold, and a task leaves nothing to the next one of its process."""

import pytest

from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("an [`async def` task](async-tasks.md) reaches its soft time limit")
def test_limits_of_async_tasks(faults):
    """The soft one interrupts a coroutine wherever it waits or works, and the hard one ends what swallows everything."""
    faults.quick_worker()
    jobs = {how: tasks.wait_async.enqueue(how, how) for how in tasks.WAITS}
    plain = [f"plain {how}" for how in ("await", "call")]
    for label in plain:
        tasks.wait_async.delay(label, label.removeprefix("plain "))
    stubborn = tasks.never_end_async.enqueue("stubborn")
    faults.wait_for_all()
    wait_until(lambda: all(faults.happened(label, "interrupted False") for label in plain))

    found = {how: Job.objects.get(pk=job.pk) for how, job in jobs.items()}
    # One that passes before the task begins, as on a loaded machine, is excused.
    ends = {how: (job.state, job.attempt - job.excused) for how, job in found.items()}
    assert ends == dict.fromkeys(jobs, ("dead", 1))
    assert all(job.reason.startswith("SoftTimeLimitExceeded") for job in found.values())
    assert all(faults.happened(how, "interrupted False") == 1 for how in jobs)
    assert "hard time limit" in Job.objects.get(pk=stubborn.pk).reason

    after = [tasks.work_async.enqueue(f"after {number}") for number in range(4)]
    bad = tasks.work_async.enqueue("bad")
    faults.wait_for_all()
    assert Job.objects.filter(pk__in=[job.pk for job in after], state="succeeded").count() == 4
    assert set(Effect.objects.filter(label__startswith="after").values_list("what", flat=True)) == {"1 True"}
    assert (Job.objects.get(pk=bad.pk).state, Effect.objects.filter(label="bad").count()) == ("dead", 0)
