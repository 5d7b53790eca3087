"""Retention."""

import pytest
from django.db import connection, transaction

from offbeat.jobs import decisions, retention, tasks
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job
from tests.offbeat.faults.effects.tasks import divide, nothing
from tests.offbeat.jobs.samples import record
from tests.offbeat.jobs.test_producer import in_another_connection
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.plans import rows_read

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

MONTH = 30 * 24 * 3600
OLD = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, finished_at, batch_id)
    SELECT gen_random_uuid(), 't', 'default', 'succeeded', 5, now() - make_interval(days => %s, secs => n), %s
    FROM generate_series(1, %s) AS n
"""


@pytest.mark.parametrize("state", ["succeeded", "cancelled", "expired"])
def test_finished_jobs_go_after_a_month(state, let_time_pass):
    """Younger ones stay."""
    old, young = nothing.enqueue(), nothing.enqueue()
    run_jobs()
    Job.objects.update(state=state)
    let_time_pass(MONTH + 60, "finished_at")
    Job.objects.filter(pk=young.pk).update(finished_at=young.created_at)

    assert retention.prune() == 1
    assert Job.objects.get() == young
    assert old.pk != young.pk


@pytest.mark.parametrize("state", ["pending", "published", "running", "dead"])
def test_what_has_not_been_decided_stays(state, let_time_pass):
    """Dead letters wait for a person, however long."""
    nothing.enqueue()
    run_jobs()
    Job.objects.update(state=state)
    let_time_pass(MONTH * 12, "finished_at")

    assert retention.prune() == 0


def test_the_retention_is_a_setting(settings, let_time_pass):
    """In days, and the caller's number is stronger."""
    settings.OFFBEAT_JOBS = {"retention_days": 2}
    nothing.enqueue()
    run_jobs()
    let_time_pass(36 * 3600, "finished_at")

    assert (retention.prune(), retention.prune(days=1)) == (0, 1)


def test_many_are_pruned_in_chunks(monkeypatch, let_time_pass):
    """Short transactions, all of them in the end."""
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(5):
        nothing.enqueue()
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")

    assert retention.prune() == 5


def test_jobs_that_ended_in_one_moment_are_pruned_together(monkeypatch, let_time_pass):
    """Though a chunk ends among them."""
    monkeypatch.setattr(retention, "CHUNK", 2)
    for _ in range(5):
        nothing.enqueue()
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")
    Job.objects.update(finished_at=Job.objects.first().finished_at)

    assert retention.prune() == 5


def test_a_chunk_begins_where_the_one_before_ended(monkeypatch):
    """What is old and stays is read once, not again by each chunk."""
    monkeypatch.setattr(retention, "CHUNK", 100)
    batch = Batch.objects.create(name="open")
    with connection.cursor() as cursor:
        cursor.execute(OLD, [60, batch.pk, 3_000])
        cursor.execute(OLD, [50, None, 1_200])
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")

    read = rows_read(retention.prune)

    assert Job.objects.count() == 3_000
    assert read < 3 * 3_000  # of six chunks


OLD_BATCHES = """
    WITH old AS (
        INSERT INTO offbeat_jobs_batch (id, name, finished_at)
        SELECT gen_random_uuid(), 'old', now() - interval '60 days' FROM generate_series(1, 2000) RETURNING id
    )
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, finished_at, batch_id)
    SELECT gen_random_uuid(), 't', 'default', 'succeeded', 5, now() - interval '60 days' - random() * interval '1 hour', id FROM old
"""


def test_a_chunk_reads_no_more_batches_than_jobs(monkeypatch):
    """However many there are: each has its own, and all of them go in the end."""
    monkeypatch.setattr(retention, "CHUNK", 100)
    with connection.cursor() as cursor:
        cursor.execute(OLD_BATCHES)
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")
        cursor.execute("VACUUM ANALYZE offbeat_jobs_batch")

    read = rows_read(retention.prune, "offbeat_jobs_batch")

    assert (Job.objects.count(), Batch.objects.count()) == (0, 0)
    assert read < 8 * 2_000  # of twenty chunks


def test_nobody_is_waited_for(let_time_pass):
    """A job that another transaction holds is left to the next time."""
    held, _ = nothing.enqueue(), nothing.enqueue()
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=held.pk)
        thread, answers = in_another_connection(retention.prune)
        thread.join(5)
        pruned = list(answers)

    assert pruned == [1]
    assert Job.objects.get() == held


def test_a_pruned_key_is_free():
    """Then, and not before, the same key makes a new job."""
    first = nothing.using(key="k").enqueue()
    run_jobs()
    retention.prune(days=0)

    assert nothing.using(key="k").enqueue() != first


def test_a_finished_batch_goes_with_its_jobs(let_time_pass):
    """Its follow-up too."""
    with open_batch("b", on_success=record.call("a")) as batch:
        nothing.using(batch=batch).enqueue()
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")
    let_time_pass(MONTH + 60, "finished_at", table="offbeat_jobs_batch")

    assert retention.prune() == 2
    assert (Job.objects.count(), Batch.objects.count()) == (0, 0)


def test_a_batch_with_a_dead_letter_stays(let_time_pass):
    """The dead letter can still be retried, and count; what followed stays with it."""
    with open_batch("b", on_failure=record.call("a")) as batch:
        divide.using(batch=batch).enqueue(1, 0)
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")
    let_time_pass(MONTH + 60, "finished_at", table="offbeat_jobs_batch")

    assert retention.prune() == 0
    assert Job.objects.count() == 2


def test_what_followed_does_not_follow_again_after_pruning(let_time_pass):
    """The batch remembers that its failure was followed."""
    with open_batch("b", on_failure=record.call("a")) as batch:
        divide.using(batch=batch).enqueue(1, 0)
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")
    retention.prune()

    decisions.retry(Job.objects.get(task=divide.name).pk)

    assert run_jobs() == 1


def test_the_jobs_of_an_open_batch_stay(let_time_pass):
    """Its count is not finished."""
    with open_batch("b") as batch:
        nothing.using(batch=batch).enqueue()
        divide.using(batch=batch).enqueue(1, 1)
    Job.objects.filter(task=nothing.name).update(state="succeeded", finished_at=batch.created_at)
    let_time_pass(MONTH + 60, "finished_at")

    assert retention.prune() == 0


def test_it_is_a_task(let_time_pass):
    """What the shipped cronjob enqueues."""
    nothing.enqueue()
    run_jobs()
    let_time_pass(MONTH + 60, "finished_at")

    tasks.prune.enqueue()
    run_jobs()

    assert Job.objects.get().task == "offbeat.jobs.tasks.prune"
