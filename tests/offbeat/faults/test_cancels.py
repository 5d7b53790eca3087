"""Cancels of running jobs with real workers: of every kind of task, and with kills at every point."""

from __future__ import annotations

import random
import signal

import psutil
import pytest

from offbeat.jobs.cancellation import Cancelled, cancel
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.polling import stays, wait_until

pytestmark = pytest.mark.faults

WHY = "cancelled by alice"
QUICKLY = {"OFFBEAT_JOBS_CANCEL_GRACE": "2"}
PLACES = 4  # of two workers
SLOWLY = {"OFFBEAT_JOBS_CANCEL_GRACE": "60", "OFFBEAT_JOBS_DRAIN": "1"}
LONG = {
    "sleeps": lambda: tasks.work.enqueue("sleeps", 300),
    "is Django's": lambda: Job.objects.get(pk=tasks.work_by_django.enqueue("is Django's", 300).id),
    "is async": lambda: tasks.wait_async_long.enqueue("is async"),
    "queries": lambda: tasks.query_long.enqueue("queries"),
    "swallows it": lambda: tasks.never_end_long.enqueue("swallows it"),
    "asks for a retry": lambda: tasks.retry_when_interrupted.enqueue("asks for a retry"),
    "is atomic": lambda: tasks.work_atomically.enqueue("is atomic", 300),
    "holds its row": lambda: tasks.report_atomically.enqueue("holds its row", 300),
}
ATOMIC = ["is atomic", "holds its row"]  # whose effects are seen when they are committed


def wait_until_cancelled(faults, job):
    return faults.wait_for_state(job, "cancelled")


@pytest.mark.brokers("rabbitmq", weekly=("sqs",))
@pytest.mark.pools("threads", weekly=("gevent",))
def test_running_jobs_are_cancelled(faults):
    """Whatever they do; they are not tried again, their effects in a transaction are rolled back, and the worker goes on."""
    worker = faults.quick_worker(WORKER_CONCURRENCY=str(len(LONG)), **QUICKLY)
    jobs = {kind: enqueue() for kind, enqueue in LONG.items()}
    for kind, job in jobs.items():
        faults.wait_for_state(job, "running")
        wait_until(lambda kind=kind: kind in ATOMIC or faults.happened(kind, "start"))
    assert {cancel(job.pk, WHY) for job in jobs.values()} == {Cancelled.ASKED}

    found = [wait_until_cancelled(faults, job) for job in jobs.values()]
    for _ in jobs:
        faults.wait_for_state(tasks.nothing.enqueue(), "succeeded")

    assert {(each.reason, each.attempt, each.crashes) for each in found} == {(WHY, 1, 0)}
    assert {entry["outcome"] for each in found for entry in each.history} == {"cancelled"}
    assert not Effect.objects.filter(label__in=ATOMIC).exists()
    assert not Effect.objects.filter(what="done").exists()
    assert worker.is_running
    stays(lambda: not Job.objects.filter(attempt__gt=1).exists(), seconds=1)


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.fault("a running job is cancelled, and its process or its worker is killed before it ends")
def test_who_dies_after_the_request(faults):
    """The process of the job, its worker with all of them, or one that stops: the job is cancelled, and never run again."""
    worker = faults.quick_worker(**SLOWLY)
    first, second = (tasks.never_end_long.enqueue(name) for name in ("child", "worker"))
    ask_for_cancel(faults, first, "child")
    ask_for_cancel(faults, second, "worker")
    psutil.Process(Job.objects.get(pk=first.pk).pid).kill()
    found = [wait_until_cancelled(faults, first)]
    worker.kill()
    stopping = faults.quick_worker(**SLOWLY)
    found += [wait_until_cancelled(faults, second)]  # by the one that stops next: nobody else is there
    third = tasks.never_end_long.enqueue("stops")
    ask_for_cancel(faults, third, "stops")
    stopping.signal(signal.SIGTERM)
    found += [wait_until_cancelled(faults, third)]

    assert {(each.reason, each.attempt) for each in found} == {(WHY, 1)}


def ask_for_cancel(faults, job, label):
    faults.wait_for_start(label)
    assert cancel(job.pk, WHY) == Cancelled.ASKED


@pytest.mark.brokers(weekly=("rabbitmq", "sqs"))
@pytest.mark.pools(weekly=("gevent",))
@pytest.mark.fault("a running job is cancelled, and its process or its worker is killed before it ends")
def test_cancels_in_a_storm(faults):
    """Short jobs are cancelled at any moment, while workers are killed: each has succeeded or is cancelled, and none is both.

    What succeeded has had its effect once, what is cancelled none; no cancel interrupts a job that nobody cancelled.
    """
    dice = random.Random(20261126)
    workers = [faults.quick_worker(**QUICKLY) for _ in range(2)]
    # One of five ends by its cancel only: on a slow machine, too, some are cancelled while they run.
    jobs = [
        tasks.work_atomically.enqueue(f"{number}", dice.uniform(0, 0.4), None if number % 5 else faults.gate)
        for number in range(60)
    ]
    spared = [tasks.work_atomically.enqueue(f"spared {number}", 0.2) for number in range(20)]
    Job.objects.update(max_attempts=1000)
    gated = [job.pk for job in jobs[::5]]
    for number, job in enumerate(jobs):
        # What a killed worker had in hand comes late: by then the others may wait for the gate in every place.
        wait_until(
            lambda job=job: (
                Job.objects.get(pk=job.pk).state != "published"
                or Job.objects.filter(pk__in=gated, state="running").count() >= PLACES
            ),
            pause=0.01,
        )
        cancel(job.pk, WHY)
        if number in {20, 41}:
            victim = number % 2
            workers[victim].kill()
            workers[victim] = faults.quick_worker(**QUICKLY)
    faults.wait_for_all(90)

    ended = {job.pk: Job.objects.get(pk=job.pk).state for job in jobs}
    assert set(ended.values()) == {"succeeded", "cancelled"}
    assert {Job.objects.get(pk=job.pk).state for job in spared} == {"succeeded"}
    for number, job in enumerate(jobs):
        assert faults.happened(f"{number}") == (ended[job.pk] == "succeeded")
    assert faults.repeated() == []
    interruptions = Job.objects.filter(pk__in=[job.pk for job in spared], history__icontains="SoftTimeLimit")
    assert not interruptions.exists()
