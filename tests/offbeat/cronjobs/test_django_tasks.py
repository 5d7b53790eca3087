"""Cronjobs whose task is one of Django's."""

from datetime import timedelta

import pytest

from offbeat.cronjobs import call_checks
from offbeat.cronjobs.commands import EnqueueCommand
from offbeat.cronjobs.conditions import longest_run
from offbeat.jobs.models import Job
from offbeat.jobs.tasks_backend.interface import Task, task
from tests.offbeat.cronjobs.conftest import at
from tests.offbeat.support.attempts import run_jobs


@task(time_limit=60, soft_time_limit=50, queue_name="mail", takes_context=True)
def water(context, plant="fern"):
    return plant


@task
def bare():
    """Do nothing."""


def test_a_slot_enqueues_a_job_of_it(make):
    """It is a job of the task's own path, with the cronjob's key and policies."""
    cronjob = make(task=water, arguments=lambda *_: {"plant": "palm"}).known("2026-11-23 07:30")

    cronjob.wake_up("2026-11-23 08:00")

    job = Job.objects.get()
    assert (job.task, job.queue, job.key) == (water.module_path, "mail", "cron:plants:2026-11-23T08:00Z")
    assert (job.concurrency_key, job.kwargs) == ("cron:plants", {"plant": "palm"})
    assert str(job.pk) == water.get_result(str(job.pk)).id
    Job.objects.update(not_after=None)
    run_jobs()
    assert Job.objects.get().result == "palm"


def test_its_limits_are_those_of_the_cronjob(make):
    """How long a job may run is known without asking Celery's task, which runs them all."""
    assert longest_run(make(task=water).entry) == timedelta(seconds=50)


def test_early_it_waits_for_its_slot(make):
    """A wake-up that is early enqueues what is due at the slot."""
    make(task=water).known("2026-11-23 07:30").wake_up("2026-11-23 07:59:45")

    assert Job.objects.get().due_at == at("2026-11-23 08:00")


def test_a_task_of_another_backend_is_refused(settings):
    """Its backend makes no jobs, which the command says where it is written."""
    alien = Task(func=bare.func, backend="default", priority=0)

    with pytest.raises(
        TypeError, match='its backend "default" makes no jobs, so a cronjob cannot enqueue it'
    ):
        type("Command", (EnqueueCommand,), {"task": alien})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"plant": "palm"}, None),
        ({"flower": "rose"}, "unexpected keyword argument 'flower'"),
        ({"plant": {1}}, 'argument "plant" is a set'),
    ],
)
def test_its_arguments_are_checked(make, arguments, words):
    """check_platform reports what every wake-up would end in, and enqueues nothing for it."""
    entry = make(task=water, arguments=lambda *_: arguments).entry

    found = [
        each.msg for each in (*call_checks.check_task(entry, "it"), *call_checks.check_arguments(entry, "it"))
    ]

    assert not Job.objects.exists()
    assert [words in each for each in found] == ([True] if words else [])
