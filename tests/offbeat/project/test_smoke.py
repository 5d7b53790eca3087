"""The project around the core keeps the core's promises: its own settings, services and servers, as real processes."""

from __future__ import annotations

import pytest
from django.utils import timezone

from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Job
from tests.offbeat.project.smoke import tasks
from tests.offbeat.support.polling import wait_until

# Intervals shortened in proportion: a killed worker is noticed in seconds.
QUICK = {
    "OFFBEAT_JOBS_HEARTBEAT_INTERVAL": "0.5",
    "OFFBEAT_JOBS_HEARTBEAT_TIMEOUT": "3",
    "OFFBEAT_JOBS_RECONCILE_INTERVAL": "0.5",
}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "lines"


def wait_for_success(job):
    wait_until(lambda: Job.objects.get(pk=job.pk).state == "succeeded")
    return Job.objects.get(pk=job.pk)


def test_a_job_runs_once_and_the_site_answers(stack, file):
    """What is enqueued is done by the worker of platform.yaml, and its web service is ready for requests."""
    stack.worker()
    web = stack.web()

    job = wait_for_success(tasks.write_line.enqueue(str(file), "done"))

    assert job.attempt == 1
    assert file.read_text() == "done\n"
    assert web.browser.get("/readyz").status == 200


def test_a_slot_is_one_job_however_often_it_is_woken_up(stack):
    """A cronjob's command that the platform starts twice for a slot enqueues once."""
    stack.worker()
    schedule = f"{timezone.now().minute} * * * *"

    command = ("enqueue_prune_jobs", "--name", "offbeat-smoke", "--schedule", schedule)
    wakeups = [stack.manage(*command) for _ in range(2)]

    assert [each.returncode for each in wakeups] == [0, 0], wakeups
    wait_for_success(Slot.objects.get(cronjob="offbeat-smoke").job)


def test_a_job_outlives_its_worker(stack, file):
    """A worker is killed in the middle of a job, and the next one does it again."""
    worker = stack.worker(**QUICK)
    job = tasks.wait_for_file.enqueue(str(file), "work")
    wait_until(file.exists)

    worker.kill()
    file.with_name("lines-go").touch()
    stack.worker(**QUICK)

    assert wait_for_success(job).attempt == 2
    assert file.read_text().splitlines() == ["work begins", "work begins", "work ends"]
