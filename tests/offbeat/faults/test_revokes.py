"""Celery's revoke, of jobs that wait and of jobs that run."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from celery import current_app
from django.db import transaction
from django.utils import timezone

from offbeat.jobs import decisions
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults


def wait_until_cancelled(faults, job):
    found = faults.wait_for_state(job, "cancelled")
    assert found.finished_at is not None
    return found


def test_a_waiting_job_is_cancelled_without_a_worker(faults):
    """In the ledger, for good: its message, which waits in Redis, starts nothing, and is not published again."""
    job, later = (
        tasks.work.enqueue("a"),
        tasks.work.using(run_at=timezone.now() + timedelta(days=1)).enqueue("b"),
    )
    current_app.control.revoke([str(job.pk), later.pk])
    found = [Job.objects.get(pk=each.pk) for each in (job, later)]
    faults.quick_worker()
    after = tasks.work.enqueue("after")
    faults.wait_for_state(after, "succeeded")

    assert [(each.state, each.reason) for each in found] == [("cancelled", "revoked")] * 2
    stays(
        lambda: Job.objects.get(pk=job.pk).state == "cancelled" and not faults.happened("a", "start"),
        seconds=4,
    )


def test_a_running_job_is_terminated_and_cancelled(faults):
    """It is interrupted, and not tried again, and the worker goes on; of a plain task the process is killed."""
    worker = faults.quick_worker(WORKER_REMOTE_CONTROL="true")
    job, plain = tasks.work.enqueue("job", 60), tasks.work.delay("plain", 60)
    faults.wait_for_start("job")
    faults.wait_for_start("plain")
    current_app.control.revoke(job.pk, terminate=True)
    plain.revoke(terminate=True)

    found = wait_until_cancelled(faults, job)
    others = [tasks.work.enqueue(f"{number}", 0.1) for number in range(4)]
    for each in others:
        faults.wait_for_state(each, "succeeded")
    assert (found.reason, found.attempt, found.crashes) == ("revoked", 1, 0)
    assert [entry["outcome"] for entry in found.history] == ["cancelled"]
    assert worker.is_running
    stays(lambda: faults.happened("job", "start") == faults.happened("plain", "start") == 1, seconds=4)


def test_a_command_of_somebody_else_cancels_too(faults):
    """As Celery's command line sends it, past `app.control.revoke`; a person may retry the job afterwards."""
    faults.quick_worker(WORKER_REMOTE_CONTROL="true")
    job = tasks.work.using(run_at=timezone.now() + timedelta(days=1)).enqueue("a")
    wait_until(lambda: current_app.control.ping(timeout=1))
    current_app.control.broadcast("revoke", arguments={"task_id": str(job.pk)})
    wait_until_cancelled(faults, job)

    decisions.retry(job.pk)

    faults.wait_for_state(job, "succeeded")


def test_a_revoke_that_is_rolled_back(faults):
    """Revokes nothing: neither here, nor by the workers that would be told."""
    faults.quick_worker(WORKER_REMOTE_CONTROL="true")
    job = tasks.work.enqueue("a", 3)
    faults.wait_for_start("a")
    with contextlib.suppress(KeyError), transaction.atomic():
        current_app.control.revoke(job.pk, terminate=True)
        raise KeyError

    assert faults.wait_for_state(job, "succeeded").attempt == 1


def test_a_running_job_needs_no_remote_control(faults):
    """The request is in the ledger, where its worker finds it; without `terminate` a running job goes on, as with Celery."""
    faults.quick_worker(WORKER_REMOTE_CONTROL="false")
    ended, other = tasks.work.enqueue("a", 60), tasks.work.enqueue("b", 2)
    faults.wait_for_start("a")
    faults.wait_for_start("b")
    current_app.control.revoke(ended.pk, terminate=True)
    current_app.control.revoke(other.pk)

    wait_until_cancelled(faults, ended)
    faults.wait_for_state(other, "succeeded")
