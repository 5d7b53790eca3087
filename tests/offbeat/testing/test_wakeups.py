"""fire(): a slot of a cronjob, in a test."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from offbeat.cronjobs import entries
from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Job

SLOT = entries.find("prune-jobs").schedule.next(datetime(2030, 1, 7, tzinfo=UTC))


def test_a_slot_is_fired(fire, run_jobs, enqueued):
    """At its time, which is the test's time then; the job has not expired."""
    (job,) = fire("prune-jobs", SLOT)

    assert timezone.now() == SLOT
    assert run_jobs() == 1
    assert Job.objects.get(pk=job.pk).state == "succeeded"
    assert len(enqueued("offbeat.jobs.tasks.prune")) == 1


def test_one_slot_after_another(fire, run_jobs):
    """Without a time it is the next one; of those that were left out the policies tell."""
    fire("prune-jobs", SLOT)
    run_jobs()
    fire("prune-jobs")
    run_jobs()

    fire("prune-jobs", SLOT + timedelta(days=4))

    outcomes = Slot.objects.order_by("slot").values_list("outcome", flat=True)
    assert list(outcomes) == ["enqueued", "enqueued", "missed", "skipped", "enqueued"]
    assert run_jobs() == 1


def test_a_slot_that_is_fired_twice(fire):
    """Is one job."""
    assert len(fire("prune-jobs", SLOT)) == 1
    assert fire("prune-jobs", SLOT) == []


def test_what_is_no_slot(fire):
    """Is refused, with the slots around it."""
    with pytest.raises(
        ValueError, match=r"prune-jobs has no slot at 2030-01-07 15:00:30 UTC: its schedule is H 2 \* \* \*"
    ):
        fire("prune-jobs", "2030-01-07 15:00:30")


def test_an_unknown_cronjob(fire):
    """Is refused, with those that there are."""
    with pytest.raises(entries.UnknownCronjobError, match="there is no prune; there are: prune-jobs"):
        fire("prune")
