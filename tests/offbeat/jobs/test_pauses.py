"""A pause: no attempt of its jobs starts, nothing of them is lost or counted, and its end lets them go in order."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from offbeat.jobs import attempts, broker, decisions, pauses, reconciler, refusal, relay
from offbeat.jobs.batches import open_batch
from offbeat.jobs.models import Job, Pause
from tests.offbeat.faults.effects.tasks import nothing, work, work_by_django
from tests.offbeat.support.plans import rows_read

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

BY = ("a reason", "alice")
TARGETS = {"queue": "default", "task": work.name}
FAR = timedelta(days=365)


def pause(kind="queue", name=None):
    return pauses.pause(kind, name or TARGETS[kind], *BY)[0]


def ids_in_redis(queue="default"):
    """The jobs whose messages wait, the next one first."""
    raw = broker.client().lrange(broker.key(queue), 0, -1)
    jobs = {str(each): each for each in Job.objects.values_list("pk", flat=True)}
    return [found for message in reversed(raw) for text, found in jobs.items() if text in message.decode()]


def empty_redis():
    broker.client().flushall()


@pytest.mark.parametrize("kind", TARGETS)
def test_a_paused_job_does_not_begin(kind, worker, row):
    """Not counted, not finished, still due: it waits in PostgreSQL, says why, and is published no more."""
    job = work.enqueue("a")
    due_at = row(job).due_at
    pause(kind)

    assert attempts.begin(job.pk, worker) is None

    found = row(job)
    assert (found.state, found.attempt, found.reason) == ("pending", 0, f"paused: {kind} {TARGETS[kind]}")
    assert found.due_at == due_at
    assert found.publish_at > timezone.now() + FAR
    assert relay.relay() == 0


@pytest.mark.parametrize("other", [("queue", "mail"), ("task", nothing.name), ("queue", work.name)])
def test_other_jobs_begin(other, worker):
    """A pause is of one queue or of one task, and a task of that name is no queue."""
    job = work.enqueue("a")
    pauses.pause(*other, *BY, is_known=True)

    assert attempts.begin(job.pk, worker).number == 1


def test_a_task_of_djangos_is_paused_by_its_path(worker, row):
    """All of them are run by one task of Celery's, which is not what is meant."""
    result = work_by_django.enqueue("a")
    pauses.pause("task", work_by_django.module_path, *BY)

    assert attempts.begin(uuid.UUID(result.id), worker) is None
    assert Job.objects.get(pk=result.id).reason == f"paused: task {work_by_django.module_path}"


def test_what_runs_goes_on(worker, row):
    """It may finish; one that asks for a retry waits then."""
    first, second = (attempts.begin(work.enqueue(name).pk, worker) for name in "ab")
    pause()

    attempts.finish(first)
    attempts.retry(second, attempts.Again(0), "again", "")

    assert Job.objects.get(pk=first.job_id).state == "succeeded"
    assert attempts.begin(second.job_id, worker) is None
    assert Job.objects.get(pk=second.job_id).attempt == 1


def test_an_attempt_whose_answer_was_lost_goes_on(worker):
    """Its process runs it already: to refuse it would leave a job that says it runs."""
    job = work.enqueue("a")
    attempts.begin(job.pk, worker)
    pause()

    assert attempts.begin(job.pk, worker).number == 2


def test_a_paused_job_expires_as_usual(worker, row, let_time_pass):
    """Its `not_after` is a promise to whoever enqueued it, and a pause changes nothing in it."""
    job = work.using(not_after=timezone.now() + timedelta(hours=1)).enqueue("a")
    pause()
    attempts.begin(job.pk, worker)
    let_time_pass(7200, "not_after")

    assert reconciler.expire_late_jobs() == 1
    assert row(job).state == "expired"


def test_a_queue_goes_on_in_its_order(worker, row):
    """What was taken from it while it was paused goes back in front of what was not, the oldest first."""
    jobs = [work.enqueue(str(number)).pk for number in range(6)]
    broker.client().rpop(broker.key("default"), 3)
    pause()
    for job in jobs[:3]:
        attempts.begin(job, worker)
    assert pauses.release() == 0

    pauses.resume("queue", "default")
    released = [pauses.release(), pauses.release()]

    assert released == [3, 0]
    assert ids_in_redis() == jobs
    assert set(Job.objects.values_list("state", "reason")) == {("published", "")}


def test_a_task_goes_on_in_its_order(worker):
    """The more urgent ones first, then those that have been due for longest; in batches, as a relay publishes."""
    jobs = [work.using(priority=each).enqueue(str(each)).pk for each in (0, 0, 50)]
    empty_redis()
    pause("task")
    for job in reversed(jobs):
        attempts.begin(job, worker)

    pauses.resume("task", work.name)

    assert pauses.release() == 3
    assert ids_in_redis() == jobs[:2]  # the urgent one's list is another
    assert attempts.begin(jobs[0], worker).number == 1


def test_nothing_is_taken_for_lost_after_a_resume(worker, settings, let_time_pass):
    """What went back in front is as old as it was: what waits behind it does not look as if it had been popped."""
    jobs = [work.enqueue(str(number)).pk for number in range(4)]
    let_time_pass(600, "published_at")
    empty_redis()
    broker.publish({"default": [each.message("") for each in relay.execute_claim(RENEWED)]})
    broker.client().rpop(broker.key("default"))
    pause()
    attempts.begin(jobs[0], worker)
    pauses.resume("queue", "default")
    pauses.release()

    assert reconciler.republish_lost_messages() == 0


RENEWED = f"UPDATE offbeat_jobs_job SET published_at = published_at RETURNING {relay.CLAIMED}"  # noqa: S608


def test_redis_down_at_the_end_of_a_pause(worker, redis):
    """What was held is due then, and the relay publishes it."""
    job = work.enqueue("a")
    pause()
    attempts.begin(job.pk, worker)
    pauses.resume("queue", "default")
    redis.stop()

    with pytest.raises(broker.BrokerAwayError):
        pauses.release()

    redis.start()
    broker.breaker.close()
    assert pauses.release() + relay.relay() == 1
    assert ids_in_redis() == [job.pk]


def test_two_pauses_of_one_job(worker, row):
    """Each of them holds it; the end of one shows the other."""
    job = work.enqueue("a")
    pause("queue")
    pause("task")
    attempts.begin(job.pk, worker)
    pauses.resume("queue", "default")
    pauses.release()

    assert attempts.begin(job.pk, worker) is None
    assert row(job).reason == f"paused: task {work.name}"


def test_a_key_goes_to_another_job(worker, row):
    """One that waits for its pause keeps nobody waiting who wants the same key."""
    running = attempts.begin(nothing.using(concurrency_key="k").enqueue().pk, worker)
    paused, other = (
        each.using(concurrency_key="k").enqueue(*args) for each, args in ((work, ["a"]), (nothing, []))
    )
    for each in (paused, other):
        attempts.begin(each.pk, worker)
    pause("task")
    attempts.finish(running)
    assert row(paused).state == "published"

    assert attempts.begin(paused.pk, worker) is None

    assert (row(paused).reason, row(other).state) == (f"paused: task {work.name}", "published")
    assert attempts.begin(other.pk, worker).number == 1


def test_a_batch_waits_with_its_jobs(worker):
    """It is not finished, and nothing follows, until they have run."""
    with open_batch("all", on_success=nothing.call()) as batch:
        job = work.using(batch=batch).enqueue("a")
    pause()
    attempts.begin(job.pk, worker)
    batch.refresh_from_db()
    assert batch.finished_at is None

    pauses.resume("queue", "default")
    pauses.release()
    attempts.finish(attempts.begin(job.pk, worker))

    batch.refresh_from_db()
    assert (batch.succeeded, batch.success_job is not None) == (1, True)


def test_a_refused_job_is_pulled_once(worker, row):
    """A worker whose code knows its task takes it from the ledger, finds the pause, and does not take it again and again."""
    job = work.enqueue("a")
    refusal.refuse([job.pk], work.name)
    Job.objects.update(refused_by=["another"])
    pause("task")
    taken = refusal.claim(["default"], 10)
    attempts.begin(job.pk, worker)

    assert [each.id for each in taken] == [job.pk]
    assert refusal.claim(["default"], 10) == []
    assert row(job).refused_at is None


def test_the_second_of_two_pauses_is_none():
    """The first one's reason stays; so with two ends."""
    first, is_first = pauses.pause("queue", "default", "broken", "alice")
    second, is_second = pauses.pause("queue", "default", "mine", "bob")

    assert (is_first, is_second) == (True, False)
    assert (second.pk, second.reason, second.paused_by) == (first.pk, "broken", "alice")
    assert [pauses.resume("queue", "default"), pauses.resume("queue", "default")] == [True, False]


def test_two_pauses_in_one_moment():
    """One of them is written."""
    barrier, new = threading.Barrier(4), []

    def do():
        connection.ensure_connection()
        barrier.wait()
        new.append(pauses.pause("queue", "default", *BY)[1])
        connection.close()

    threads = [threading.Thread(target=do) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(new) == [False, False, False, True]
    assert Pause.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "name", "likely"), [("queue", "defualt", "default"), ("task", f"{work.name}s", work.name)]
)
def test_an_unknown_name_is_refused(kind, name, likely):
    """With the names that were perhaps meant; a task that is still to be deployed is paused all the same, if one insists."""
    with pytest.raises(pauses.UnknownNameError, match=f"there is no {kind} '{name}'. Known here: .*{likely}"):
        pauses.pause(kind, name, *BY)

    assert pauses.pause(kind, name, *BY, is_known=True)[1]


def test_a_name_that_only_a_job_has(worker):
    """Its code is gone, and it waits: known enough."""
    Job.objects.create(task="gone.task", queue="elsewhere", max_attempts=1)

    assert pauses.pause("queue", "elsewhere", *BY)[1]
    assert pauses.pause("task", "gone.task", *BY)[1]


@pytest.mark.parametrize("reason", ["", " \n", "\0"])
def test_a_pause_needs_a_reason(reason):
    """Whoever finds it must know whether it may end."""
    with pytest.raises(ValueError, match="needs a reason"):
        pauses.pause("queue", "default", reason, "alice")


def test_holding_is_asked_of_jobs_that_wait(worker, row):
    """Also of one whose message stays in Redis: its row says nothing of the pause."""
    waiting, running = work.enqueue("a"), work.enqueue("b")
    attempts.begin(running.pk, worker)
    found = pause()

    assert pauses.holding(row(waiting)) == found
    assert pauses.holding(row(running)) is None


def test_a_held_job_can_be_discarded(worker, row):
    """As any that waits; then the end of the pause does not bring it back."""
    job = work.enqueue("a")
    pause()
    attempts.begin(job.pk, worker)

    assert decisions.discard(job.pk)

    pauses.resume("queue", "default")
    assert pauses.release() == 0
    assert row(job).state == "cancelled"


def test_a_look_at_many_held_jobs_is_cheap():
    """Each worker looks every second: it reads one row for each pause that holds jobs, however many jobs that are."""
    for name in ("a.b", "c.d"):
        pauses.pause("task", name, *BY, is_known=True)
    rows = [
        Job(
            task=task, queue="default", max_attempts=1, state="pending", reason=reason,
            publish_at=timezone.now() + FAR,
        )
        for task, reason in (("a.b", "paused: task a.b"), ("c.d", "paused: task c.d"), ("e.f", "ValueError"))
        for _ in range(2_000)
    ]  # fmt: skip
    Job.objects.bulk_create(rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE offbeat_jobs_job")

    assert rows_read(pauses.release) <= 10
