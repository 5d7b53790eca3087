"""The execution guard: every change of state is a compare-and-set."""

import re
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from offbeat.jobs import attempts, broker, guard, lane_rounds, open_end, relay
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import nothing, work

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def job():
    return work.enqueue("a", seconds=1)


@pytest.fixture
def attempt(job, worker):
    return attempts.begin(job.pk, worker)


def ended_by_another(job):
    """What the reconciler does to an attempt that it takes for dead, and what the next worker does then."""
    Job.objects.filter(pk=job.pk).update(state="pending", worker=None)
    return attempts.begin(job.pk, uuid.uuid4())


def test_a_published_job_begins(job, worker, row):
    """The attempt knows its arguments, and the row who executes it."""
    attempt = attempts.begin(job.pk, worker)

    assert (attempt.number, attempt.args, attempt.kwargs, attempt.retries) == (1, ["a"], {"seconds": 1}, 0)
    found = row(job)
    assert (found.state, found.attempt, found.worker) == ("running", 1, worker)
    assert found.pid > 0
    assert found.started_at >= found.published_at


def test_a_pending_job_begins_too(job, worker):
    """Publishing timed out and it was taken back, and yet its message has arrived."""
    Job.objects.filter(pk=job.pk).update(state="pending")

    assert attempts.begin(job.pk, worker).number == 1


@pytest.mark.parametrize("state", ["running", "succeeded", "dead", "cancelled", "expired"])
def test_in_every_other_state_nothing_begins(job, worker, state, row):
    """The message is a duplicate, or somebody decided otherwise: it changes nothing."""
    Job.objects.filter(pk=job.pk).update(state=state)

    assert attempts.begin(job.pk, worker) is None
    assert (row(job).state, row(job).attempt) == (state, 0)


def test_a_job_that_is_not_there_does_not_begin(worker):
    """It was pruned, or the database is a restored one."""
    assert attempts.begin(uuid.uuid4(), worker) is None


def test_a_retry_that_waits_does_not_begin(attempt, worker):
    """An old message must not bring it forward."""
    attempts.retry(attempt, attempts.Again(60), "again", "")

    assert attempts.begin(attempt.job_id, worker) is None


def test_of_many_at_once_one_begins(job):
    """The same message in several workers at the same moment: one compare-and-set changes the row."""
    barrier = threading.Barrier(6)
    begun = []

    def begin():
        connection.ensure_connection()
        barrier.wait()
        begun.append(attempts.begin(job.pk, uuid.uuid4()))
        connection.close()

    threads = [threading.Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(attempt is None for attempt in begun) == [False] + 5 * [True]


def test_the_process_that_runs_it_begins_anew(attempt, worker, row):
    """An answer that was lost in an outage: the same process begins, and the attempt before cannot end the job any more."""
    again = attempts.begin(attempt.job_id, worker)

    assert again.number == 2
    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)


def test_success_is_recorded(job, attempt, row):
    """The job has ended."""
    attempts.finish(attempt)

    found = row(job)
    assert (found.state, found.reason, found.is_finished) == ("succeeded", "", True)
    assert found.finished_at >= found.started_at


ENDS = {
    "finish": attempts.finish,
    "bury": lambda attempt: attempts.bury(attempt, "broken", "Traceback"),
    "retry": lambda attempt: attempts.retry(attempt, attempts.Again(1), "again", ""),
    "progress": lambda attempt: attempts.record_progress(attempt, 1, 2),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_late_attempt_is_fenced_off(job, attempt, end, row):
    """Whatever it wants to record, another attempt has begun: nothing changes, and it is told which one it was."""
    current = ended_by_another(job)
    before = Job.objects.filter(pk=job.pk).values().get()

    with pytest.raises(attempts.FencedError, match=f"attempt 1 of job {job.pk} is no longer the current one"):
        ENDS[end](attempt)

    assert Job.objects.filter(pk=job.pk).values().get() == before
    attempts.finish(current)
    assert row(job).state == "succeeded"


@pytest.mark.parametrize("end", ["bury", "retry", "progress"])
def test_an_attempt_ends_once(attempt, end):
    """After its end it is nobody's current one."""
    attempts.finish(attempt)

    with pytest.raises(attempts.FencedError):
        ENDS[end](attempt)


def test_a_success_that_is_recorded_again(job, attempt):
    """Its first answer was lost: nothing changes, and it is no lost race. In a transaction it would bring effects with it."""
    attempts.finish(attempt)
    before = Job.objects.filter(pk=job.pk).values().get()

    attempts.finish(attempt)
    with pytest.raises(attempts.FencedError), transaction.atomic():
        attempts.finish(attempt)

    assert Job.objects.filter(pk=job.pk).values().get() == before


@pytest.mark.parametrize("end", ["bury", "retry"])
def test_a_failure_that_is_recorded_again(job, attempt, end):
    """The same: what follows it is to follow, and it is in the history once."""
    ENDS[end](attempt)
    before = Job.objects.filter(pk=job.pk).values().get()

    ENDS[end](attempt)

    assert Job.objects.filter(pk=job.pk).values().get() == before


def test_a_failure_is_a_dead_letter(job, attempt, worker, row):
    """With its reason and traceback, and the attempt in the history."""
    attempts.bury(attempt, "ValueError: no", "Traceback ...")

    found = row(job)
    assert (found.state, found.reason, found.traceback) == ("dead", "ValueError: no", "Traceback ...")
    (entry,) = found.history
    assert (entry["attempt"], entry["outcome"], entry["reason"], entry["worker"]) == (
        1,
        "failed",
        "ValueError: no",
        str(worker),
    )
    assert entry["started_at"] <= entry["ended_at"]


def test_a_retry_waits_in_postgresql(job, attempt, carrier, row):
    """It is pending with a due time, and is published then and not before."""
    carrier.flushall()

    attempts.retry(attempt, attempts.Again(60), "ConnectionError: no route", "Traceback")

    found = row(job)
    assert (found.state, found.retries, found.attempt, found.reason) == (
        "pending",
        1,
        1,
        "ConnectionError: no route",
    )
    assert timedelta(seconds=59) < found.due_at - timezone.now() < timedelta(seconds=61)
    assert found.publish_at == found.due_at
    assert carrier.llen(broker.key("default")) == 0


def test_a_retry_may_change_the_arguments(job, attempt, row):
    """Those that are given replace the old ones; the others stay."""
    attempts.retry(attempt, attempts.Again(0, args='["b"]'), "again", "")

    assert (row(job).args, row(job).kwargs) == (["b"], {"seconds": 1})


def test_progress_is_recorded(job, attempt, row):
    """Anybody may read how far it is."""
    attempts.record_progress(attempt, 3, 10)

    assert (row(job).progress_done, row(job).progress_total) == (3, 10)


def test_a_job_expires_instead_of_beginning_late(worker, row):
    """After its `not_after` a message starts nothing."""
    job = nothing.using(not_after=timezone.now() - timedelta(seconds=1)).enqueue()

    assert attempts.begin(job.pk, worker) is None
    assert (row(job).state, row(job).reason) == ("expired", "not started before its not_after")


def test_a_job_in_time_begins(worker):
    """Before its `not_after` it is like any other."""
    job = nothing.using(not_after=timezone.now() + timedelta(minutes=1)).enqueue()

    assert attempts.begin(job.pk, worker) is not None


def test_a_running_job_does_not_expire(worker, row, let_time_pass):
    """It was started in time."""
    job = nothing.using(not_after=timezone.now() + timedelta(minutes=1)).enqueue()
    attempts.begin(job.pk, worker)
    let_time_pass(3600, "not_after")

    assert guard.expire(job.pk) is False
    assert row(job).state == "running"


def test_only_one_of_two_expires_it():
    """The second changes nothing, so a batch counts it once."""
    job = nothing.using(not_after=timezone.now()).enqueue()

    assert [guard.expire(job.pk), guard.expire(job.pk)] == [True, False]


FINISHED = """
    INSERT INTO offbeat_jobs_job (id, task, queue, state, max_attempts, finished_at)
    SELECT gen_random_uuid(), 't', 'default', 'succeeded', 5, now() FROM generate_series(1, 5000)
"""
CURRENT = {"ended": uuid.uuid4(), "number": 1, "result": None, "idle": None}


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (attempts.FINISH, CURRENT),
        (open_end.FINISH_UNLESS_HELD, CURRENT),
        (attempts.PROGRESS, [1, 2, uuid.uuid4(), 1]),
        (attempts.BURY, ["", "", "failed", "", "{}", uuid.uuid4(), 1]),
        (lane_rounds.ENDS, {"ended": [uuid.uuid4()], "attempts": [1], "results": [None]}),
        (open_end.GIVE_BACK, [uuid.uuid4()]),
        (guard.EXPIRE, [uuid.uuid4()]),
        (relay.CLAIM_THESE, [[uuid.uuid4()]]),
        (relay.TAKE_BACK, [0, [uuid.uuid4()], [timezone.now()]]),
        (relay.RENEW, [[uuid.uuid4()], [timezone.now()]]),
    ],
    ids=[
        "finish",
        "open end",
        "progress",
        "bury",
        "lanes",
        "give back",
        "expire",
        "claim",
        "take back",
        "renew",
    ],
)
def test_one_job_is_found_by_its_id(statement, values):
    """Where hardly any is in its state, too: the index of that state keeps all that were in it while an old transaction is open."""
    with connection.cursor() as cursor:
        cursor.execute(FINISHED)
        cursor.execute("VACUUM ANALYZE offbeat_jobs_job")
        cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "using offbeat_jobs_job_pkey" in plan
    assert re.findall(r"offbeat_jobs_\w+_idx", plan) == []
