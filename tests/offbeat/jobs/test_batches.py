"""Batches: what follows, follows exactly once."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs import attempts, batches, broker, decisions, guard, recovery, relay
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Batch, Job
from tests.offbeat.faults.effects.tasks import divide, nothing, work
from tests.offbeat.jobs.samples import record
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def make(*calls, on_success=True, on_failure=True):
    """Open a batch of divisions; by zero they fail."""
    with open_batch(
        "b",
        on_success=record.call("success") if on_success else None,
        on_failure=record.call("failure") if on_failure else None,
    ) as batch:
        for call in calls:
            divide.using(batch=batch).enqueue(*call)
    return batch


def test_success_follows_when_all_have_succeeded(effects):
    """One follow-up, and the counts tell."""
    make((1, 1), (2, 1), (3, 1))

    assert run_jobs() == 4

    batch = Batch.objects.get()
    assert (batch.total, batch.succeeded, batch.failed) == (3, 3, 0)
    assert batch.finished_at is not None
    assert batch.success_job.state == "succeeded"
    assert (effects("success"), effects("failure")) == (["done"], [])


def test_failure_follows_when_all_have_finished(effects):
    """Not before: the others are not abandoned, and one is enough."""
    make((1, 0), (2, 1), (3, 0))

    run_jobs()

    batch = Batch.objects.get()
    assert (batch.succeeded, batch.failed) == (1, 2)
    assert (effects("success"), effects("failure")) == ([], ["done"])
    assert list(Job.objects.filter(task=record.name)) == [batch.failure_job]


def test_nothing_follows_before_the_last(effects):
    """The batch is open as long as one job is."""
    make((1, 1), (2, 1))
    first = Job.objects.order_by("id").first()
    attempts.finish(attempts.begin(first.pk, uuid.uuid4()))

    (batch,) = batches.count([Batch.objects.get()])
    assert (batch.succeeded, batch.finished_at) == (1, None)
    assert Job.objects.filter(task=record.name).count() == 0


def test_a_batch_without_jobs_has_succeeded(effects):
    """What is to follow follows at once."""
    batch = make()

    run_jobs()

    assert effects("success") == ["done"]
    assert Batch.objects.get(pk=batch.pk).finished_at is not None


def test_a_batch_may_have_nothing_to_follow():
    """It still tells when it has finished."""
    make((1, 1), on_success=False)
    run_jobs()

    assert Batch.objects.get().finished_at is not None


def test_a_rollback_takes_batch_and_jobs(carrier):
    """An error inside the block leaves nothing."""

    def fail_inside():
        with open_batch("b") as batch:
            nothing.using(batch=batch).enqueue()
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()

    assert (Batch.objects.count(), Job.objects.count(), carrier.llen(broker.key("default"))) == (0, 0, 0)


def test_an_open_batch_does_not_finish():
    """Its first job ends inside the block: the others are still to be enqueued."""
    with open_batch("b", on_failure=record.call("failure")) as batch:
        decisions.discard(nothing.using(batch=batch).enqueue().pk)
        inside = Job.objects.filter(task=record.name).count()
        nothing.using(batch=batch).enqueue()

    assert inside == 0
    assert Batch.objects.get().finished_at is None


def test_a_sealed_batch_takes_no_job():
    """Its total is known: another job would make it finish early."""
    batch = make((1, 1))

    with pytest.raises(ValueError, match='batch "b" is sealed: enqueue its jobs inside its `with` block'):
        nothing.using(batch=batch).enqueue()
    with pytest.raises(ValueError, match="is sealed"):
        nothing.using(batch=Batch.objects.get()).enqueue()


def test_many_jobs_of_a_batch():
    """enqueue_many belongs to it too."""
    with open_batch("b") as batch:
        divide.using(batch=batch).enqueue_many(((n, 1), {}) for n in range(50))

    assert batch.total == 50
    assert run_jobs() == 50
    assert Batch.objects.get().succeeded == 50


def test_a_job_that_exists_by_its_key_is_not_of_the_batch():
    """The batch counts its own jobs only, so it finishes."""
    nothing.using(key="k").enqueue()
    with open_batch("b") as batch:
        nothing.using(batch=batch, key="k").enqueue()

    assert Batch.objects.get().total == 0
    assert batch.jobs.count() == 0


def test_the_last_two_at_the_same_moment():
    """In two transactions at once: the row's lock puts them in order, and one of them enqueues what follows."""
    make((1, 1), (2, 1))
    begun = [attempts.begin(job.pk, uuid.uuid4()) for job in Job.objects.all()]
    barrier = threading.Barrier(2)

    def finish(attempt):
        with transaction.atomic():
            connection.ensure_connection()
            barrier.wait()
            attempts.finish(attempt)
        connection.close()

    threads = [threading.Thread(target=finish, args=[attempt]) for attempt in begun]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    batch = Batch.objects.get()
    assert (batch.succeeded, batch.finished_at is not None) == (2, True)
    assert Job.objects.filter(task=record.name).count() == 1


def test_many_finish_at_once():
    """Eight threads, forty jobs: each is counted once, and one job follows."""
    make(*[(n, 1) for n in range(40)])
    begun = [attempts.begin(job.pk, uuid.uuid4()) for job in Job.objects.all()]

    def finish(own):
        for attempt in own:
            attempts.finish(attempt)
        connection.close()

    threads = [threading.Thread(target=finish, args=[begun[n::8]]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Batch.objects.get().succeeded == 40
    assert Job.objects.filter(task=record.name).count() == 1


def test_the_follow_up_is_of_the_transaction_that_ends_the_last():
    """Rolled back together: no follow-up without the success that it follows."""
    make((1, 1))
    attempt = attempts.begin(Job.objects.get().pk, uuid.uuid4())

    with transaction.atomic():
        attempts.finish(attempt)
        transaction.set_rollback(True)

    assert Job.objects.get().state == "running"
    assert Batch.objects.get().finished_at is None


def test_a_dead_letter_that_is_retried_and_succeeds(effects, row):
    """Failure has followed; when the rest has succeeded after all, success follows too, each once."""
    with open_batch("b", on_success=record.call("success"), on_failure=record.call("failure")) as batch:
        job = divide.using(batch=batch).enqueue(1, 0)
    run_jobs()
    Job.objects.filter(pk=job.pk).update(args=[1, 1])

    decisions.retry(job.pk)
    reopened = Batch.objects.get()
    run_jobs()

    assert (batches.count([reopened])[0].failed, reopened.finished_at) == (0, None)
    batch = Batch.objects.get()
    assert (batch.succeeded, batch.failed) == (1, 0)
    assert (effects("success"), effects("failure")) == (["done"], ["done"])


def test_a_dead_letter_that_is_retried_and_fails_again(effects):
    """Failure follows once, however often it is tried."""
    make((1, 0))
    run_jobs()

    decisions.retry(Job.objects.get(task=divide.name).pk)
    run_jobs()

    assert (Batch.objects.get().failed, effects("failure")) == (1, ["done"])


def test_a_discarded_job_counts_as_failed(effects):
    """One that waits and is discarded ends its batch; a dead letter that is discarded was counted before."""
    make((1, 0), (2, 1))
    waiting, other = Job.objects.order_by("id")
    decisions.discard(other.pk)
    run_jobs()
    decisions.discard(waiting.pk)

    batch = Batch.objects.get()
    assert (batch.succeeded, batch.failed, effects("failure")) == (0, 2, ["done"])


def test_an_expired_job_counts_as_failed():
    """The batch does not wait for what will never run."""
    with open_batch("b") as batch:
        job = nothing.using(batch=batch, not_after=timezone.now()).enqueue()

    guard.expire(job.pk)

    assert Batch.objects.get().failed == 1


def test_a_poison_job_counts_as_failed():
    """One that kills its process until it is dead, too."""
    make((1, 1))
    for _ in range(5):
        worker = uuid.uuid4()
        attempts.begin(Job.objects.filter(task=divide.name).get().pk, worker)
        recovery.recover_workers([worker], "lost")

    assert Batch.objects.get().failure_job.task == record.name


def test_an_empty_redis_does_not_lose_what_follows(carrier, effects):
    """Count and follow-up are in PostgreSQL: a chord would wait for ever."""
    make((1, 1), (2, 1))
    first, second = Job.objects.order_by("id")
    attempts.finish(attempts.begin(first.pk, uuid.uuid4()))
    carrier.flushall()
    attempts.finish(attempts.begin(second.pk, uuid.uuid4()))

    assert carrier.llen(broker.key("default")) == 1
    run_jobs()
    assert effects("success") == ["done"]


@pytest.mark.parametrize("option", ["run_at", "not_after"])
def test_a_follow_up_starts_when_the_batch_has_finished(option):
    """A time of its own would contradict that."""
    call = nothing.using(**{option: timezone.now() + timedelta(days=1)}).call()

    with (
        pytest.raises(ValueError, match=r"tasks.nothing: a follow-up takes key, concurrency_key and queue"),
        open_batch("b", on_success=call),
    ):
        pass


def test_the_arguments_of_a_follow_up_are_checked_now():
    """Not when the batch has finished."""
    with (
        pytest.raises(TypeError, match=r"argument 1 is a object"),
        open_batch("b", on_success=record.call(object())),
    ):
        pass


def test_the_options_of_a_follow_up_are_kept():
    """Its key, its concurrency key and its queue."""
    call = record.using(key="k", concurrency_key="c", queue="mail").call("success", times=2)
    with open_batch("b", on_success=call):
        pass

    job = Job.objects.get()
    assert (job.key, job.concurrency_key, job.queue, job.args, job.kwargs) == (
        "k",
        "c",
        "mail",
        ["success"],
        {"times": 2},
    )


def test_two_batches_are_followed_by_one_job_of_a_key(effects):
    """The second finds the job that exists, and finishes as well as the first."""
    for _ in range(2):
        with open_batch("b", on_success=record.using(key="k").call("success")) as batch:
            divide.using(batch=batch).enqueue(1, 1)

    run_jobs()

    first, second = Batch.objects.order_by("id")
    assert first.success_job == second.success_job
    assert (first.finished_at is not None, second.finished_at is not None) == (True, True)
    assert effects("success") == ["done"]


def test_progress_can_be_read_while_it_runs():
    """The counts are of this moment."""
    make((1, 1), (2, 1), (3, 1), (4, 1))
    for job in Job.objects.order_by("id")[:3]:
        attempts.finish(attempts.begin(job.pk, uuid.uuid4()))

    (batch,) = batches.count([Batch.objects.get()])
    assert (batch.succeeded, batch.failed, batch.total) == (3, 0, 4)


@pytest.mark.fault(
    "the process that ends the last job of a batch, or of a concurrency key, dies right after it"
)
def test_a_batch_that_nobody_has_settled(effects):
    """Whoever ended its last job died before it could: the reconciler settles it, once."""
    make((1, 1))
    Job.objects.update(state="succeeded")

    assert (batches.settle_all(), batches.settle_all()) == (1, 0)

    run_jobs()
    assert effects("success") == ["done"]


def test_the_end_of_a_job_does_not_touch_the_batch():
    """The jobs of a batch do not wait for each other's transactions, nor make each other fail where those are serializable."""
    make((1, 1), (2, 1))
    first, second = (attempts.begin(job.pk, uuid.uuid4()) for job in Job.objects.order_by("id"))

    def finish_second():
        attempts.finish(second)
        connection.close()

    with transaction.atomic():
        attempts.finish(first)
        other = threading.Thread(target=finish_second)
        other.start()
        other.join(10)
        assert not other.is_alive()

    assert Batch.objects.get().succeeded == 2


MANY = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, published_at, batch_id)
    SELECT lpad(to_hex(n), 32, '0')::uuid, 't', 'default', 'published', 5, now(), %s FROM generate_series(1, 10000) AS n
"""


def test_the_end_of_a_job_reads_past_no_job_that_ended_before():
    """A batch of a hundred thousand must not cost more at each end, until VACUUM has been there."""
    batch = Batch.objects.create(name="large", total=10_000, sealed_at=timezone.now())
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
    ):  # what ends in here is passed over, and stays in the index
        cursor.execute(MANY, [batch.pk])
        cursor.execute("ANALYZE offbeat_jobs_job")
        cursor.execute(
            "UPDATE offbeat_jobs_job SET state = 'succeeded' WHERE id < lpad(to_hex(9900), 32, '0')::uuid"
        )
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {batches.LOCK}", [batch.pk])
        (plan,) = cursor.fetchone()

    plan = plan if isinstance(plan, list) else json.loads(plan)
    assert plan[0]["Plan"]["Actual Rows"] == 0
    assert plan[0]["Plan"]["Shared Hit Blocks"] < 30


def test_batches_of_work_and_relay(carrier):
    """The jobs of a batch are published after its block."""
    with open_batch("b") as batch:
        work.using(batch=batch).enqueue("a")
        before = carrier.llen(broker.key("default"))

    assert (before, carrier.llen(broker.key("default")), relay.relay()) == (0, 1, 0)
