"""Statements that do not wait for others."""

import json
import threading

import pytest
from django.db import OperationalError, connection, transaction

from offbeat.jobs import attempts, broker, locks, recovery, relay
from offbeat.jobs.locks import HeldError
from offbeat.jobs.loss_token import check
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.reconciler import expire_late_jobs, republish_lost_messages
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture
def other(postgres):
    """Another session, in a transaction that ends with the test."""
    with (
        postgres.connect(connection.settings_dict["NAME"]) as session,
        session.transaction(force_rollback=True),
    ):
        yield session


@pytest.fixture
def hold(other):
    """Locks the row of a job, as somebody in psql."""
    return lambda job: other.execute("SELECT 1 FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [job.pk])


@pytest.fixture
def hurried(settings):
    settings.OFFBEAT_JOBS = {"lock_timeout": 0.1}


def setting(name):
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


def test_every_statement_is_bounded():
    """Alone, in a transaction, and in the next one; not after the block."""
    with locks.bound_statements():
        alone = setting("lock_timeout")
        with transaction.atomic():
            first, second = setting("lock_timeout"), setting("idle_in_transaction_session_timeout")

    assert (alone, first, second) == ("2s", "2s", "15s")
    assert (setting("lock_timeout"), setting("idle_in_transaction_session_timeout")) == ("0", "0")


def test_a_statement_is_one_message(tmp_path):
    """Its bounds come with it, and its transaction is its own: an idle worker asks several times a second."""
    with locks.bound_statements(), (tmp_path / "trace").open("w") as trace:
        assert Job.objects.count() == 0
        session = connection.connection.pgconn
        session.trace(trace.fileno())
        Job.objects.update(reason="")
        Job.objects.first()
        session.untrace()

    sent = [line.split("\t") for line in (tmp_path / "trace").read_text().splitlines()]
    assert [kind for _, direction, _, kind, *_ in sent if direction == "F"] == ["Query", "Query"]


def test_a_transaction_may_bound_itself_otherwise():
    """What it sets holds for its other statements: a healing worker waits less."""
    with locks.bound_statements(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")

        assert setting("lock_timeout") == "200ms"


def test_rows_are_read_after_the_transaction():
    """Of each kind that the ORM knows."""
    Worker.objects.create(hostname="h", pid=1, queues=[], concurrency=1)

    with locks.bound_statements():
        assert [worker.pid for worker in Worker.objects.iterator()] == [1]
        assert Worker.objects.get_or_create(pid=1)[1] is False
        assert Worker.objects.filter(pid=1).update(pid=2) == 1


def test_a_lock_is_not_waited_for(hold, hurried):
    """The error says so, and the session is as good as before."""
    job = nothing.enqueue()
    hold(job)

    with locks.bound_statements():
        with pytest.raises(OperationalError) as caught:
            Job.objects.filter(pk=job.pk).update(reason="")
        assert Job.objects.count() == 1

    assert locks.is_held(caught.value)
    assert not locks.is_held(OperationalError("refused"))


def test_holders_are_named(hold, other, hurried):
    """By pid, state and since when, among others; whoever only reads is not."""
    job = nothing.enqueue()
    hold(job)

    line = wait_until(locks.holders)

    assert line.startswith(f"pid {other.info.backend_pid} (")
    assert ", idle in transaction since " in line
    assert line.count("pid ") == 1


def test_nobody_holds_anything():
    """Nobody is named."""
    assert locks.holders() == ""


def running(worker):
    job = nothing.enqueue()
    attempts.begin(job.pk, worker)
    return job


def test_a_held_job_of_a_lost_worker_is_for_the_next_turn(worker, hold, row):
    """The others are due again, and the caller learns that some are not."""
    held, free = running(worker), running(worker)
    hold(held)

    with pytest.raises(HeldError):
        recovery.recover_workers([worker], "lost")

    assert (row(held).state, row(free).state) == ("running", "pending")


def test_a_row_that_refers_to_a_job_does_not_hold_it(worker, other, row):
    """A foreign key's lock, in a transaction that takes its time, keeps nobody from changing a state."""
    lost, waiting = running(worker), nothing.enqueue()
    Job.objects.filter(pk=waiting.pk).update(state="pending")
    other.execute("SELECT 1 FROM offbeat_jobs_job FOR KEY SHARE")

    assert recovery.recover_workers([worker], "lost") == 1
    assert {claim.id for claim in relay.claim()} == {lost.pk, waiting.pk}


def test_a_held_job_of_a_dead_process_is_for_the_next_turn(worker, hold, row, other):
    """Then it is due again."""
    job = running(worker)
    hold(job)
    with pytest.raises(HeldError):
        recovery.recover_attempt(job.pk, worker, None, "died")
    other.execute("ROLLBACK")

    assert recovery.recover_attempt(job.pk, worker, None, "died") is True
    assert row(job).state == "pending"


def test_dead_processes_do_not_wait_for_each_other(worker, hold, row):
    """One whose row is held comes first here."""
    held, free = running(worker), running(worker)
    hold(held)

    with pytest.raises(HeldError):
        recovery.recover_unrun(worker, [(held.pk, row(held).pid), (free.pk, row(free).pid)], (), "gone")

    assert (row(held).state, row(free).state) == ("running", "pending")


def test_a_held_job_is_not_handed_back(worker, hold, row, other, caplog):
    """The log says so; the others are."""
    held, free = running(worker), running(worker)
    hold(held)

    assert recovery.hand_back(worker, "stopped") == 1

    assert (row(held).state, row(free).state) == ("running", "pending")
    assert "1 jobs are not returned to the queue" in caplog.text


def test_jobs_of_a_worker_that_beats_again_are_left_alone(worker, row):
    """It was taken for lost, and its machine woke up just now."""
    job = running(worker)
    Worker.objects.create(id=worker, hostname="h", pid=1, queues=[], concurrency=1)

    assert recovery.recover_workers([worker], "lost") == 0
    assert row(job).state == "running"


def published(let_time_pass, carrier):
    """Two jobs whose messages are gone, long ago."""
    jobs = [nothing.enqueue(), nothing.enqueue()]
    let_time_pass(60, "published_at")
    carrier.flushall()
    return jobs


@pytest.mark.parametrize("duty", [check, republish_lost_messages])
def test_a_held_row_keeps_no_message_waiting(duty, hold, let_time_pass, carrier, row):
    """The others are published again."""
    held, free = published(let_time_pass, carrier)
    hold(held)

    with locks.bound_statements():
        duty()
        relay.relay()

    assert carrier.llen(broker.key("default")) == 1
    assert json.loads(carrier.lindex(broker.key("default"), 0))["headers"]["id"] == str(free.pk)
    assert row(held).state == "published"


def test_a_held_row_keeps_no_other_from_expiring(hold, row):
    """Each that is late ends."""
    jobs = [nothing.enqueue(), nothing.enqueue()]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE offbeat_jobs_job SET not_after = now() - interval '1 second'")
    hold(jobs[0])

    with locks.bound_statements():
        expire_late_jobs()

    assert [row(job).state for job in jobs] == ["published", "expired"]


def test_a_held_row_keeps_no_other_from_being_taken_back(hold, row):
    """Redis is down: the others are pending at once; the reconciler misses the message of that one."""
    jobs = [nothing.enqueue(), nothing.enqueue()]
    Job.objects.update(state="pending")
    claims = relay.claim()
    hold(jobs[0])

    relay.take_back(claims)

    assert [row(job).state for job in jobs] == ["published", "pending"]


def test_threads_have_bounds_of_their_own():
    """A task's connection waits as long as the task wants."""
    found = []

    def look():
        found.append(setting("lock_timeout"))
        connection.close()

    with locks.bound_statements():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    assert found == ["0"]
