"""Counters of what the ledger saw: exact, whoever did it, and whatever was pruned since."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection

from offbeat.cronjobs.clock import database_now
from offbeat.jobs import attempts, decisions, guard, recovery
from offbeat.jobs.models import Job
from offbeat.jobs.retention import prune
from offbeat.ops.metrics import buckets, counters
from offbeat.ops.metrics.models import Counter, JobEnd
from tests.offbeat.ops.metrics.conftest import BEARER, TOKEN, Scrape
from tests.offbeat.ops.support import greet, stumble
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.polling import wait_until


def test_every_outcome_is_counted(ledger, carrier, scrape):
    """Attempts are counted by outcome, and jobs by what they ended in."""
    greet.enqueue()
    greet.enqueue(fail=True)
    stumble.enqueue()
    decisions.discard(greet.enqueue().id)
    run_jobs()

    found = scrape()

    assert found("job_attempts_total", task="tests.greet", outcome="succeeded") == 1
    assert found("job_attempts_total", task="tests.greet", outcome="failed") == 1
    assert found("job_attempts_total", task="tests.stumble", outcome="retried") == 1
    assert found("job_attempts_total", task="tests.stumble", outcome="succeeded") == 1
    assert found("jobs_finished_total", task="tests.greet", state="dead") == 1
    assert found("jobs_finished_total", task="tests.greet", state="cancelled") == 1
    assert found("job_run_seconds_count", task="tests.stumble") == 2
    assert found("jobs", task="tests.greet", state="dead") == 1


def test_what_nobody_lived_to_tell_is_counted(ledger, carrier, scrape):
    """An attempt whose worker was lost, one that was handed back, and a job that expired: all are counted."""
    lost, stopped = uuid.uuid4(), uuid.uuid4()
    attempts.begin(greet.enqueue().id, lost)
    attempts.begin(greet.enqueue().id, stopped)
    late = greet.using(not_after=database_now() + timedelta(seconds=1)).enqueue()
    Job.objects.filter(pk=late.pk).update(not_after=database_now() - timedelta(seconds=1))

    recovery.recover_workers([lost], "gone")
    recovery.hand_back(stopped, "stops")
    guard.expire(late.id)

    found = scrape()
    assert found("job_attempts_total", task="tests.greet", outcome="crashed") == 1
    assert found("job_attempts_total", task="tests.greet", outcome="handed_back") == 1
    assert found("jobs_finished_total", task="tests.greet", state="expired") == 1


def test_what_is_rolled_back_is_not_counted(ledger, carrier, scrape):
    """An attempt that lost its race recorded nothing, and counts for nothing."""
    job = greet.enqueue()
    attempt = attempts.begin(job.id, uuid.uuid4())
    Job.objects.filter(pk=job.pk).update(attempt=2)

    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)

    assert scrape()("job_attempts_total", task="tests.greet", outcome="succeeded") is None


def test_counters_outlive_pruning(ledger, carrier, scrape):
    """Pruning the jobs takes nothing from the counters: they only grow."""
    greet.enqueue()
    run_jobs()
    before = scrape()("jobs_finished_total", task="tests.greet", state="succeeded")

    assert prune(days=0) == 1
    greet.enqueue()
    run_jobs()

    assert (before, scrape()("jobs_finished_total", task="tests.greet", state="succeeded")) == (1, 2)


def test_two_workers_count_once(ledger, carrier, scrape):
    """Workers that fold at the same time count each end exactly once."""
    JobEnd.objects.bulk_create(
        JobEnd(task="tests.greet", outcome="succeeded", state="succeeded", wait=0.2, run=0.02)
        for _ in range(5_000)
    )

    def fold():
        try:
            for _ in range(3):
                counters.fold_chunk()
        finally:
            connection.close()

    threads = [threading.Thread(target=fold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert scrape()("jobs_finished_total", task="tests.greet", state="succeeded") == 5_000
    assert not JobEnd.objects.exists()


def test_histograms_are_right(ledger, carrier, scrape):
    """Every value is in the buckets that it belongs to, and in the sum."""
    for run in (0.005, 0.05, 0.7, 7200):
        JobEnd.objects.create(task="tests.greet", outcome="succeeded", wait=run, run=run)

    found = scrape()

    counts = {bound: found("job_run_seconds_bucket", task="tests.greet", le=bound) for bound in LE}
    assert counts == {"0.01": 1, "0.05": 2, "0.1": 2, "1.0": 3, "1800.0": 3, "+Inf": 4}
    assert found("job_run_seconds_sum", task="tests.greet") == pytest.approx(7200.755)
    assert found("job_wait_seconds_count", task="tests.greet") == 4


LE = ("0.01", "0.05", "0.1", "1.0", "1800.0", "+Inf")


def test_a_run_and_its_wait_are_measured(ledger, carrier, scrape):
    """The wait is from due to started, and the run from started to ended, as the row says."""
    job = greet.enqueue()
    Job.objects.filter(pk=job.pk).update(due_at=database_now() - timedelta(seconds=100))
    attempt = attempts.begin(job.id, uuid.uuid4())
    attempts.finish(attempt)

    (end,) = JobEnd.objects.all()

    job.refresh_from_db()
    assert end.run == pytest.approx((job.finished_at - job.started_at).total_seconds())
    assert end.wait == pytest.approx((job.started_at - job.due_at).total_seconds())
    assert end.wait > 99


def test_boundaries_belong_below():
    """A value on a bound counts as at most that bound."""
    assert [buckets.label(buckets.REQUEST, value) for value in (0.0, 0.005, 0.0051, 31)] == [
        "0.005",
        "0.005",
        "0.01",
        "+Inf",
    ]


def test_counters_are_bounded(ledger, carrier):
    """A task has a fixed number of counters, however many jobs it had."""
    JobEnd.objects.bulk_create(
        JobEnd(task="tests.greet", outcome="succeeded", state="succeeded", wait=n, run=n)
        for n in range(3_000)
    )

    counters.fold()

    assert Counter.objects.count() <= 4 + len(buckets.RUN) + len(buckets.WAIT) + 2


def test_a_real_worker_folds(stack):
    """A worker counts what it ran within seconds, and a web process of another kind tells it."""
    stack.worker()
    web = stack.web(METRICS_TOKEN=TOKEN)
    stack.manage("enqueue_prune_jobs", "--now")

    found = wait_until(lambda: finished(web), seconds=40)

    assert found("jobs_finished_total", task="offbeat.jobs.tasks.prune", state="succeeded") == 1
    assert found("workers") == 1
    assert found("queue_workers", queue="default") == 1
    assert found("condition", kind="not_fired", subject="prune-jobs", severity="error") is None


def finished(web):
    found = Scrape(web.browser.get("/metrics", **BEARER).text)
    return found if "jobs_finished_total" in found.names() else None
