"""Jobs moved between queues while workers run them: none is lost, none runs twice."""

import pytest

from offbeat.jobs import broker, decisions, selection
from offbeat.jobs.models import Job
from offbeat.jobs.queries import consumed_queues
from offbeat.jobs.search import JobSearch
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.faults


@pytest.mark.long
def test_moving_to_and_fro_under_running_workers(faults):
    """Two workers, each with a queue, one killed on the way; every job runs once, and the old messages start nothing."""
    count = 100
    first = faults.quick_worker("--queues", "mail")
    faults.quick_worker("--queues", "default")
    wait_until(lambda: consumed_queues() == ["default", "mail"])
    tasks.work.using(queue="mail").enqueue_many(((f"{number}", 0.2), {}) for number in range(count))
    moved = 0
    for to in ("default", "mail") * 4:
        found = selection.select_found(JobSearch(task="=" + tasks.work.name), decisions.MOVE)
        moved += len(decisions.move_many([each for each in found.asked if each.id.int % 2], to))
    first.kill()
    found = selection.select_found(JobSearch(queue="mail"), decisions.MOVE)
    decisions.move_many(found.asked, "default")
    faults.quick_worker("--queues", "mail")  # what the killed one had begun is due again there

    faults.wait_for_all(90)

    assert moved > count / 2
    assert Job.objects.filter(state="succeeded").count() == count
    crashed = set(Job.objects.filter(crashes__gt=0).values_list("args__0", flat=True))
    assert set(faults.repeated()) <= crashed
    assert set(Job.objects.filter(attempt__gt=1).values_list("args__0", flat=True)) <= crashed
    wait_until(lambda: broker.waiting("default") == 0)
