"""Sessions of dead processes."""

import contextlib
import os
import signal
import threading
import time
import uuid

import pytest
from django.db import DatabaseError, connection, transaction

from offbeat.jobs import attempts, recovery, sessions
from offbeat.jobs.locks import HeldError
from offbeat.jobs.models import Worker
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier")

UPDATE = "UPDATE effects_effect SET pid = pid + 1 WHERE label = 'row'"


@pytest.fixture
def effect():
    return Effect.objects.create(label="row", what="row", pid=0)


@pytest.fixture
def session(postgres):
    """Opens sessions under names; they are closed with the test."""
    opened = []

    def open_one(worker, pid):
        one = postgres.connect(connection.settings_dict["NAME"])
        one.execute(
            "SELECT set_config('application_name', %s, false)", [sessions.NAME.format(worker=worker, pid=pid)]
        )
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def holder(postgres, effect):
    """A session that holds the row of the effect."""
    with postgres.connect(connection.settings_dict["NAME"]) as one, one.transaction(force_rollback=True):
        one.execute("SELECT 1 FROM effects_effect FOR UPDATE")
        yield one


def in_a_transaction(one):
    one.execute("BEGIN")
    one.execute("SELECT 1")
    return one


def lives(one):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [one.info.backend_pid])
        return cursor.fetchone() is not None


def waits(one):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
            [one.info.backend_pid],
        )
        return cursor.fetchone() is not None


def waiting(one):
    """Let a session send a statement that waits for the row, and leave it alone, as a process that is killed."""
    one.pgconn.send_query(UPDATE.encode())
    wait_until(lambda: waits(one))
    return one


def test_a_process_names_its_sessions(monkeypatch):
    """After its worker and itself, from the next one on, and within PostgreSQL's 63 characters."""
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", dict(connection.settings_dict["OPTIONS"]))
    worker = uuid.uuid4()
    connection.close()

    sessions.name_sessions(worker, 4_194_304)

    with connection.cursor() as cursor:
        cursor.execute("SHOW application_name")
        assert cursor.fetchone()[0] == f"offbeat {worker} 4194304"
    connection.close()


def test_the_session_of_a_dead_process_is_ended(worker, session):
    """And nobody else's."""
    dead, sibling, stranger = (
        in_a_transaction(session(*of)) for of in [(worker, 1), (worker, 12), (uuid.uuid4(), 1)]
    )

    assert sessions.end_process(worker, 1) is False

    assert [lives(dead), lives(sibling), lives(stranger)] == [False, True, True]


def test_an_idle_session_is_left_alone(worker, session):
    """It holds nothing; a pooler may have given it to somebody else since."""
    idle = session(worker, 1)

    sessions.end_process(worker, 1)

    assert lives(idle)


def test_who_waited_for_a_lock_is_told(worker, session, holder, effect):
    """Its statement has no effect when the lock is free."""
    one = waiting(session(worker, 1))

    assert sessions.end_process(worker, 1) is True

    holder.execute("ROLLBACK")
    wait_until(lambda: not lives(one))
    effect.refresh_from_db()
    assert effect.pid == 0


def test_sessions_of_children_are_ended(worker, session):
    """When a worker hands its jobs back; its main process still needs its own."""
    child, main = in_a_transaction(session(worker, 2)), in_a_transaction(session(worker, os.getpid()))

    recovery.hand_back(worker, "stopped")

    assert [lives(child), lives(main)] == [False, True]


def test_sessions_of_lost_workers_are_ended(session, caplog):
    """Not of one that beats again by now."""
    lost, back = uuid.uuid4(), uuid.uuid4()
    Worker.objects.create(id=back, hostname="h", pid=1, queues=[], concurrency=1)
    dead, alive = in_a_transaction(session(lost, 1)), in_a_transaction(session(back, 1))

    sessions.end_lost([lost, back])

    assert [lives(dead), lives(alive)] == [False, True]
    assert "1 sessions of lost workers are ended" in caplog.text


def test_where_it_is_not_allowed_the_log_says_so_once(worker, caplog, monkeypatch):
    """A server that lets nobody end sessions: the idle bound has to do."""
    monkeypatch.setattr(sessions, "_reported", set())
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE ROLE restricted; REVOKE EXECUTE ON FUNCTION pg_terminate_backend FROM PUBLIC; SET ROLE restricted"
        )
        answers = [sessions.end_process(worker, 1) for _ in range(2)]
        cursor.execute(
            "RESET ROLE; GRANT EXECUTE ON FUNCTION pg_terminate_backend TO PUBLIC; DROP ROLE restricted"
        )

    assert answers == [False, False]
    (record,) = caplog.records
    assert "permission denied for function pg_terminate_backend" in record.getMessage()


DEAD = 4_194_305  # above every pid that Linux gives


@pytest.fixture
def job(worker):
    job = nothing.enqueue()
    attempts.begin(job.pk, worker)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE offbeat_jobs_job SET pid = %s", [DEAD])
    return job


def test_an_attempt_that_died_waiting_for_a_lock_is_excused(worker, session, holder, job, row):
    """It tries again a little later; its reason says why it is not charged."""
    waiting(session(worker, DEAD))

    assert recovery.recover_attempt(job.pk, worker, DEAD, "hard time limit of 3 s exceeded") is True

    found = row(job)
    assert (found.state, found.crashes, found.excused) == ("pending", 0, 1)
    assert found.reason == "hard time limit of 3 s exceeded, while it waited for a lock"
    assert (found.due_at - found.started_at).total_seconds() >= 5


def test_an_attempt_that_waited_for_nobody_is_charged(worker, session, job, row):
    """Its session is ended all the same."""
    one = in_a_transaction(session(worker, DEAD))

    recovery.recover_attempt(job.pk, worker, DEAD, "died")

    assert (row(job).crashes, lives(one)) == (1, False)


def test_that_it_waited_is_not_forgotten(worker, session, holder, job, row):
    """While somebody holds its row, too, it cannot be recorded; the next try finds no session any more."""
    waiting(session(worker, DEAD))
    holder.execute("SELECT 1 FROM offbeat_jobs_job FOR UPDATE")
    with pytest.raises(HeldError):
        recovery.recover_attempt(job.pk, worker, DEAD, "died")
    holder.execute("ROLLBACK")

    recovery.recover_attempt(job.pk, worker, DEAD, "died")

    assert (row(job).crashes, row(job).excused) == (0, 1)


class TimeLimitError(Exception):
    """What the signal of a soft time limit raises in the middle of a statement."""


@pytest.fixture
def named(monkeypatch, worker):
    """Let the test's process be one of a worker."""
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", dict(connection.settings_dict["OPTIONS"]))
    sessions.name_sessions(worker, os.getpid())
    connection.close()
    yield
    connection.close()


def interrupt(after, statement):
    """Execute a statement, and interrupt it as a soft time limit does, after so many seconds or as soon as it waits."""

    def expire(*_):
        raise TimeLimitError

    before = signal.signal(signal.SIGUSR1, expire)
    threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(TimeLimitError), connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("atomic", [False, True], ids=["autocommit", "in a transaction"])
def test_a_time_limit_that_interrupts_a_wait(named, holder, effect, atomic):
    """It is told that the statement waits; ended, it has no effect when the lock is free."""
    if atomic:
        with (
            contextlib.suppress(TimeLimitError, DatabaseError),
            transaction.atomic(),
        ):  # it cannot be rolled back
            interrupt(1, UPDATE)
            raise TimeLimitError
    else:
        interrupt(1, UPDATE)

    told = sessions.abandon(connection), sessions.abandon(connection)

    connection.close()
    holder.execute("ROLLBACK")
    effect.refresh_from_db()
    assert told == (True, False)
    assert effect.pid == 0


def test_a_time_limit_that_interrupts_work(named):
    """A slow statement waits for nobody; it is ended all the same."""
    interrupt(0.5, "SELECT pg_sleep(60)")
    before = time.monotonic()

    assert not sessions.abandon(connection)

    connection.close()
    assert time.monotonic() - before < 50


def test_outside_a_worker_nothing_is_asked():
    """Whose sessions they would be, nobody knows."""
    assert not sessions.abandon(connection)


def test_an_ending_is_bounded(settings, postgres, row, worker):
    """A machine that freezes before its COMMIT loses its session, and with it the row."""
    settings.OFFBEAT_JOBS = {"idle_timeout": 0.5}
    job = nothing.enqueue()
    attempt = attempts.begin(job.pk, worker)

    with contextlib.suppress(DatabaseError), transaction.atomic():
        attempts.finish(attempt)
        with postgres.connect(connection.settings_dict["NAME"]) as other:  # waits until the row is free
            other.execute("UPDATE offbeat_jobs_job SET reason = 'free' WHERE id = %s", [job.pk])
    connection.close()

    assert row(job).reason == "free"


class SecondSession:
    """Of a connection that is busy; counts how many there are at a time."""

    vendor = "postgresql"
    open = most = 0

    def __init__(self):
        self.settings_dict = {"OPTIONS": {}}

    def copy(self):
        return self

    @contextlib.contextmanager
    def cursor(self):
        SecondSession.open += 1
        SecondSession.most = max(self.most, self.open)
        time.sleep(0.02)
        SecondSession.open -= 1
        raise DatabaseError

    def close(self):
        pass


def test_lanes_that_are_interrupted_at_once_ask_a_few_at_a_time():
    """Each of them has a session already: with a second one each, hundreds would be too many for PostgreSQL."""
    lanes = [threading.Thread(target=sessions.waits_for_lock, args=[SecondSession()]) for _ in range(30)]

    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()

    assert 1 <= SecondSession.most <= 4
