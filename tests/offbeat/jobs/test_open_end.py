"""The end of a job that is recorded with the next begin."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import psycopg
import pytest
from billiard.process import current_process
from celery import signals
from django.db import DatabaseError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from offbeat.jobs import attempts, batches, cancellation, child_books, open_end, sql, testing, tracer, workers
from offbeat.jobs.models import Job
from offbeat.jobs.signals import job_succeeded
from offbeat.jobs.worker import maintenance
from offbeat.jobs.worker.cancellations import Cancellations
from tests.offbeat.faults.effects.tasks import work_atomically
from tests.offbeat.jobs import samples
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.usefixtures("ledger", "carrier", "child")


@pytest.fixture
def child(monkeypatch):
    """Make this process the only child of a worker."""
    monkeypatch.setattr(child_books, "_memory", None)
    child_books.open_books(1)
    monkeypatch.setattr(current_process(), "index", 0, raising=False)
    monkeypatch.setattr(open_end, "_is_offered", True)
    yield
    monkeypatch.setattr(open_end, "_open", None)


def url():
    named = connection.settings_dict
    return f"postgresql://{named['USER']}:{named['PASSWORD']}@{named['HOST']}:{named['PORT']}/{named['NAME']}"


def open_one(task=samples.record):
    """Return a job whose task has succeeded, and whose end is open, if it may be."""
    job = task.enqueue("a")
    with child_books.note_job(job.pk):
        testing.run_jobs(limit=1)
    return job


def begin(job, queue="default"):
    with child_books.note_job(job.pk):
        return open_end.begin(job.pk, workers.current(), job.task, queue)


def test_it_is_recorded_with_the_next_begin(row):
    """In one statement; until then the row says that it runs, and so do the books."""
    ended, next_one = open_one(), samples.record.enqueue("b")
    before = (
        row(ended).state,
        child_books.is_at(os.getpid(), ended.pk),
        child_books.runs(os.getpid(), ended.pk),
    )

    with CaptureQueriesContext(connection) as queries:
        attempt = begin(next_one)

    assert before == ("running", True, False)
    assert len(queries) == 1
    assert (attempt.number, attempt.args) == (1, ["b"])
    assert (row(ended).state, row(next_one).state) == ("succeeded", "running")
    assert row(ended).finished_at is not None
    assert (open_end.is_open(), child_books.open_ends()) == (False, {})


def test_it_is_recorded_alone(row):
    """Where no message comes."""
    ended = open_one()

    open_end.record_end()
    open_end.record_end()

    assert (row(ended).state, row(ended).attempt, child_books.open_ends()) == ("succeeded", 1, {})


def test_it_is_recorded_and_the_answer_is_lost(row, caplog):
    """The second try of an idle child finds it recorded: that is no lost race."""
    ended = open_one()
    Job.objects.filter(pk=ended.pk).update(state="succeeded", finished_at=timezone.now())

    open_end.record_unless_held()

    assert not open_end.is_open()
    assert "no longer the current one" not in caplog.text


def test_a_next_job_that_does_not_begin(row):
    """It has ended, or may not start: the end is recorded all the same."""
    ended, other = open_one(), samples.record.enqueue("b")
    Job.objects.filter(pk=other.pk).update(state="cancelled")

    assert begin(other) is None
    assert (row(ended).state, row(other).state) == ("succeeded", "cancelled")


def test_a_next_job_with_a_concurrency_key(row):
    """It begins as any other."""
    ended, other = open_one(), samples.record.using(concurrency_key="k").enqueue("b")

    assert begin(other).number == 1
    assert (row(ended).state, row(other).state) == ("succeeded", "running")


def test_a_second_message_of_the_job_itself(row):
    """Its row says that this very process runs it, which is otherwise a begin whose answer was lost. It is not run again."""
    ended = open_one()

    assert begin(ended) is None
    assert (row(ended).state, row(ended).attempt) == ("succeeded", 1)


def test_a_lost_race(row, caplog):
    """The attempt was taken for dead meanwhile: nothing of it is recorded, and the next job begins."""
    ended, other = open_one(), samples.record.enqueue("b")
    Job.objects.filter(pk=ended.pk).update(attempt=2)

    assert begin(other).number == 1
    assert row(ended).state == "running"
    assert "is no longer the current one" in caplog.text


def test_a_lost_race_alone(row, caplog):
    """The same where no message comes."""
    ended = open_one()
    Job.objects.filter(pk=ended.pk).update(attempt=2)

    open_end.record_end()

    assert (row(ended).state, child_books.open_ends()) == ("running", {})
    assert "is no longer the current one" in caplog.text


def test_a_row_that_somebody_holds(row, monkeypatch):
    """Its end waits for that, the next job does not: it is published again, for others."""
    ended, other = open_one(), samples.record.enqueue("b")
    waited = []

    def finish(attempt):
        waited.append((attempt.job_id, row(other).state))

    monkeypatch.setattr(attempts, "finish", finish)
    with psycopg.connect(url()) as somebody:
        somebody.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [ended.pk])
        begin(other)

    assert waited == [(ended.pk, "pending")]


def test_a_row_that_somebody_holds_for_long(row):
    """The child goes on with it open, and records it later."""
    ended = open_one()
    with psycopg.connect(url()) as somebody:
        somebody.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [ended.pk])
        open_end.record_unless_held()
        held = row(ended).state, open_end.is_open()

    open_end.record_unless_held()

    assert held == ("running", True)
    assert (row(ended).state, open_end.is_open()) == ("succeeded", False)


def test_a_session_that_is_lost_meanwhile(row):
    """PostgreSQL has restarted, say: each is recorded by itself, on a new one."""
    ended, other = open_one(), samples.record.enqueue("b")
    connection.connection.close()

    assert begin(other).number == 1
    assert (row(ended).state, row(other).state) == ("succeeded", "running")


REFUSE = """
    CREATE FUNCTION refuse_next() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER refuse BEFORE UPDATE ON offbeat_jobs_job FOR EACH ROW WHEN (NEW.state = 'running')
        EXECUTE FUNCTION refuse_next();
"""


def test_a_begin_that_is_refused(row):
    """It does not take the end before it along."""
    ended, other = open_one(), samples.record.enqueue("b")
    sql.execute(REFUSE)
    try:
        with pytest.raises(DatabaseError, match="refused"):
            begin(other)
    finally:
        sql.execute("DROP FUNCTION refuse_next CASCADE")

    assert (row(ended).state, row(other).state) == ("succeeded", "published")


def test_what_a_cancel_finds(row, monkeypatch):
    """A job that has succeeded: its child is at the next one, or about to be, and must not be interrupted."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *how: sent.append(how))
    ended = open_one()
    cancellation.cancel(ended.pk, "not wanted")

    Cancellations().end_attempts()
    open_end.record_end()

    assert (sent, row(ended).state) == ([], "succeeded")


def test_a_child_that_stands_still(monkeypatch):
    """No time limit holds for a job that was answered: the child is killed when its end has been open for too long."""
    sent = []
    monkeypatch.setattr(os, "kill", lambda *how: sent.append(how))
    open_one()
    maintenance.kill_stuck_children()
    later = time.monotonic() + 301
    monkeypatch.setattr(time, "monotonic", lambda: later)

    maintenance.kill_stuck_children()

    assert sent == [(os.getpid(), signal.SIGKILL)]


def test_a_child_that_has_died():
    """The main process takes its open end from the books, once, and none of the child that has its place now."""
    ended = open_one()

    assert child_books.take_open_end(0, os.getpid() + 1) is None
    assert child_books.take_open_end(0, os.getpid()) == ended.pk
    assert child_books.take_open_end(0, os.getpid()) is None


def is_recorded_at_once(job, row):
    return (row(job).state, open_end.is_open()) == ("succeeded", False)


def test_what_follows_a_job_waits_for_nothing(row):
    """A batch, or others that wait for its key, go on at once."""
    with batches.open_batch("all") as batch:
        of_batch = samples.record.using(batch=batch).enqueue("a")
    with_key = samples.record.using(concurrency_key="k").enqueue("b")

    testing.run_jobs()

    assert is_recorded_at_once(of_batch, row)
    assert is_recorded_at_once(with_key, row)


def test_an_atomic_task_ends_with_its_effects(row):
    """Its end is in their transaction."""
    job = work_atomically.enqueue("a")

    testing.run_jobs()

    assert is_recorded_at_once(job, row)


def test_a_receiver_finds_the_job_recorded(row):
    """As it was promised; one that says that the task does not concern it is not waited for."""
    seen = []

    def receiver(job_id, **_):
        seen.append(Job.objects.get(pk=job_id).state)

    job_succeeded.connect(receiver)
    try:
        heard = open_one()
        receiver.concerns = lambda task: task != samples.record.name
        unheard = open_one()
    finally:
        job_succeeded.disconnect(receiver)

    assert (row(heard).state, seen) == ("succeeded", ["succeeded"])
    assert row(unheard).state == "running"


def test_a_receiver_that_cannot_say(row):
    """It hears of the task."""

    def receiver(**_):
        """Hear."""

    receiver.concerns = {}.__getitem__
    job_succeeded.connect(receiver)
    try:
        job = open_one()
    finally:
        job_succeeded.disconnect(receiver)

    assert is_recorded_at_once(job, row)


@pytest.mark.parametrize("name", ["task_success", "task_postrun"])
def test_a_projects_receiver_of_celerys(row, name):
    """It may look at the row, too."""

    def receiver(**_):
        """Look."""

    getattr(signals, name).connect(receiver)
    try:
        job = open_one()
    finally:
        getattr(signals, name).disconnect(receiver)

    assert is_recorded_at_once(job, row)


@pytest.mark.parametrize("hook", ["on_success", "after_return"])
def test_a_tasks_own_hook(row, monkeypatch, hook):
    """So may the task's class."""
    monkeypatch.setattr(samples.record.__class__, hook, lambda *_: None)

    assert is_recorded_at_once(open_one(), row)


def test_a_bound_of_the_tasks_statements(row, monkeypatch):
    """It holds for the record, too."""
    monkeypatch.setattr(samples.record.__class__, "statement_timeout", 60)

    assert is_recorded_at_once(open_one(), row)


def test_a_process_without_books(row, monkeypatch):
    """A child that was added to the pool later: nobody would find its open end."""
    monkeypatch.setattr(current_process(), "index", 1, raising=False)

    assert is_recorded_at_once(open_one(), row)


@contextlib.contextmanager
def beside(act):
    """Call `act` in a thread, as another process would; wait for its end after the block."""

    def run():
        try:
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join(60)


def test_a_next_job_whose_row_somebody_holds(row):
    """Its begin waits for that, the end does not: the next job's time limit would end the child, and the job before run again."""
    ended, other = open_one(), samples.record.enqueue("b")
    with psycopg.connect(url()) as somebody:
        somebody.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [other.pk])
        with beside(lambda: begin(other)):
            wait_until(lambda: row(ended).state == "succeeded")
            somebody.rollback()

    assert (row(ended).attempt, row(other).state) == (1, "running")


def test_a_table_that_the_next_job_waits_for(row):
    """The same where a migration has locked what only a begin asks."""
    ended, other = open_one(), samples.record.enqueue("b")
    with psycopg.connect(url()) as somebody:
        somebody.execute("LOCK TABLE offbeat_jobs_pause")
        with beside(lambda: begin(other)):
            wait_until(lambda: row(ended).state == "succeeded")
            somebody.rollback()

    assert (row(ended).attempt, row(other).state) == (1, "running")


def test_two_rows_that_somebody_holds(row):
    """The end waits for its own row, and not for that of the next job."""
    ended, other = open_one(), samples.record.enqueue("b")
    with psycopg.connect(url()) as somebody, psycopg.connect(url()) as another:
        somebody.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [other.pk])
        another.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [ended.pk])
        with beside(lambda: begin(other)):
            wait_until(lambda: sql.fetch_one(WAITING) == (1,))
            another.rollback()
            wait_until(lambda: row(ended).state == "succeeded")
            somebody.rollback()

    assert (row(ended).attempt, row(other).state) == (1, "running")


WAITING = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"


def test_a_plain_task_after_it(row):
    """It begins when the end is recorded: else the job would be said to run for as long as it takes."""
    ended = open_one()
    found = []

    def celerys(*_):
        found.append(row(ended).state)

    with psycopg.connect(url()) as somebody:
        somebody.execute("SELECT FROM offbeat_jobs_job WHERE id = %s FOR UPDATE", [ended.pk])
        with beside(lambda: tracer.trace(samples.record, celerys, "id", (), {}, {})):
            wait_until(lambda: found or sql.fetch_one(WAITING) == (1,))
            somebody.rollback()

    assert found == ["succeeded"]


def test_a_next_task_that_bounds_its_statements(row, monkeypatch):
    """Its bound is none of the end's: for a row that somebody holds, that waits as long as it ever did."""
    ended = open_one()
    seen = []

    def finish(attempt, act=attempts.finish):
        seen.append((attempt.job_id, sql.fetch_one("SHOW statement_timeout")))
        return act(attempt)

    monkeypatch.setattr(attempts, "finish", finish)
    monkeypatch.setattr(samples.record.__class__, "statement_timeout", 7)
    other = open_one()

    assert seen == [(ended.pk, ("0",)), (other.pk, ("7s",))]
    assert (row(ended).state, row(other).state) == ("succeeded", "succeeded")


def test_a_result_that_celery_keeps(row, monkeypatch):
    """Who finds it there finds the job recorded."""
    monkeypatch.setattr(samples.record.__class__, "_backend", object())
    monkeypatch.setattr(samples.record.__class__, "ignore_result", False)

    assert not open_end.leave_open(
        samples.record, attempts.begin(samples.record.enqueue("a").pk, workers.current())
    )


def test_a_receiver_without_a_module(row):
    """It is a project's."""

    class Receiver:
        __module__ = None

        def __call__(self, **_):
            """Look."""

    receiver = Receiver()
    signals.task_postrun.connect(receiver)
    try:
        job = open_one()
    finally:
        signals.task_postrun.disconnect(receiver)

    assert is_recorded_at_once(job, row)
