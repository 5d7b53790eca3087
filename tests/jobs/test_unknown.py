"""A task name that no code knows."""

import pytest

from jobs import guard, signals, unknown
from jobs.batches import open_batch
from jobs.enqueue import Call, enqueue
from jobs.models import Batch

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

REASON = (
    "no task shop.gone is known to the worker: deploy the code that has it, then retry; or discard the job"
)


def gone(**options):
    return enqueue(Call("shop.gone", "default", 5, **options))


def test_it_becomes_a_dead_letter_that_says_so(row):
    """And what to do about it."""
    job = gone()

    unknown.bury(job.pk, "shop.gone")

    assert (row(job).state, row(job).reason) == ("dead", REASON)
    assert row(job).finished_at is not None


def test_monitoring_is_told():
    """Like of every dead letter."""
    heard = []

    def hear(sender, job_id, reason, **_):
        heard.append((sender, job_id, reason))

    signals.job_dead.connect(hear)
    job = gone()
    unknown.bury(job.pk, "shop.gone")
    unknown.bury(job.pk, "shop.gone")
    signals.job_dead.disconnect(hear)

    assert heard == [("shop.gone", job.pk, REASON)]


def test_its_batch_counts_it_once():
    """However often the message comes."""
    with open_batch("b") as batch:
        job = gone(batch_id=batch.pk)

    unknown.bury(job.pk, "shop.gone")
    unknown.bury(job.pk, "shop.gone")

    assert (Batch.objects.get().failed, Batch.objects.get().finished_at is not None) == (1, True)


def test_a_running_job_is_left_alone(row, worker):
    """A newer worker knows the task and executes it: an older one has no say."""
    job = gone()
    guard.begin(job.pk, worker)

    unknown.bury(job.pk, "shop.gone")

    assert row(job).state == "running"
