"""Workers in the ledger."""

import os
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from offbeat.jobs import attempts, signals, workers
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.silence import SilenceWatch
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def recover_lost(watch=None):
    """Look once, by an observer that has just started and knows what time it is in PostgreSQL."""
    return workers.recover_lost(watch or SilenceWatch(), datetime.now(UTC))


def beat(**changes):
    values = {
        "queues": '["default"]',
        "concurrency": 2,
        "busy": 0,
        "stopping": False,
        "broker_away": None,
    }
    return workers.beat(**values | changes)


def test_the_first_beat_makes_a_row(monkeypatch):
    """It says who and where, and what its code knows."""
    monkeypatch.setenv("VERSION", "1.2")
    beat(busy=1)

    row = Worker.objects.get(pk=workers.current())
    assert (row.pid, row.queues, row.concurrency, row.version, row.busy) == (
        os.getpid(),
        ["default"],
        2,
        "1.2",
        1,
    )
    assert (row.stopping, row.broker_away_since) == (False, None)


def test_later_beats_move_the_heartbeat(let_time_pass):
    """One row a worker; it tells since when Redis is away."""
    beat()
    let_time_pass(30, "heartbeat_at", "started_at", table="offbeat_jobs_worker")
    before = Worker.objects.get()

    beat(busy=2, stopping=True, broker_away=12)

    after = Worker.objects.get()
    assert (after.heartbeat_at - before.heartbeat_at).total_seconds() >= 30
    assert after.started_at == before.started_at
    assert (after.busy, after.stopping) == (2, True)
    assert round((after.heartbeat_at - after.broker_away_since).total_seconds()) == 12


def test_a_worker_that_stops_says_goodbye():
    """Its row goes, and only its."""
    beat()
    other = Worker.objects.create(hostname="h", pid=1, queues=[], concurrency=1)

    workers.leave_ledger()

    assert Worker.objects.get() == other


def test_a_silent_worker_is_lost(let_time_pass, row, caplog):
    """After 45 seconds its jobs are due again, charged, and the log says which worker."""
    beat()
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")

    assert recover_lost() == 1

    assert (row(job).state, row(job).reason) == ("pending", "its worker sent no heartbeat for 45 s")
    assert row(job).crashes == 1
    assert Worker.objects.count() == 0
    assert f"({os.getpid()}) is lost" in caplog.text


def test_dead_letters_of_a_lost_worker_are_told_after_they_are_recorded(let_time_pass):
    """Monitoring may take its time: no transaction holds rows meanwhile."""
    within = []

    def hear(**_):
        within.append(connection.in_atomic_block)

    signals.job_dead.connect(hear)
    beat()
    job = nothing.enqueue()
    Job.objects.update(max_attempts=1)
    attempts.begin(job.pk, workers.current())
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")
    recover_lost()
    signals.job_dead.disconnect(hear)

    assert within == [False]


def test_a_worker_that_beats_keeps_its_jobs(let_time_pass, row):
    """Slow is not dead."""
    beat()
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    let_time_pass(44, "heartbeat_at", table="offbeat_jobs_worker")
    let_time_pass(3600, "started_at")

    assert recover_lost() == 0
    assert row(job).state == "running"


def test_a_job_without_a_worker_is_adopted(worker, let_time_pass, row):
    """Its worker has no row: it left without handing it back."""
    job = nothing.enqueue()
    attempts.begin(job.pk, worker)
    young = recover_lost()
    let_time_pass(46, "started_at")

    assert (young, recover_lost()) == (0, 1)
    assert (row(job).state, row(job).reason) == ("pending", "its worker no longer exists")


def test_two_reconcilers_bury_a_worker_once(let_time_pass, row):
    """The second finds nothing."""
    beat()
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")

    assert [recover_lost(), recover_lost()] == [1, 0]
    assert row(job).crashes == 1


def test_a_worker_that_wakes_up_again_is_back(let_time_pass):
    """A stopped machine beats again; its late attempt is fenced off."""
    beat()
    attempt = attempts.begin(nothing.enqueue().pk, workers.current())
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")
    recover_lost()

    beat()

    assert Worker.objects.get().pk == workers.current()
    with pytest.raises(attempts.FencedError):
        attempts.finish(attempt)


def test_a_beat_tells_the_time():
    """PostgreSQL's, by which the worker notices when that clock is set."""
    told = beat()

    assert abs(told - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_clock_that_was_set_makes_nobody_older(let_time_pass, row):
    """An observer times what it has seen by its own clock, and what is new to it by the time that it has counted."""
    watch = SilenceWatch()
    beat()
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    seen = recover_lost(watch)
    let_time_pass(300, "heartbeat_at", table="offbeat_jobs_worker")
    let_time_pass(300, "started_at")

    counted = workers.recover_lost(SilenceWatch(), datetime.now(UTC) - timedelta(seconds=300))

    assert (seen, counted, row(job).state) == (0, 0, "running")


def test_a_heartbeat_in_the_future_is_timed_by_the_observer(let_time_pass, row):
    """The clock was set back after it: the worker is lost when nothing has followed for 45 seconds."""
    watch = SilenceWatch()
    beat()
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    let_time_pass(-100, "heartbeat_at", table="offbeat_jobs_worker")
    young = recover_lost(watch)
    watch.silent_since = {sign: since - 46 for sign, since in watch.silent_since.items()}

    assert (young, recover_lost(watch), row(job).state) == (0, 1, "pending")


def test_a_beat_during_the_look_saves_a_worker(let_time_pass):
    """What was seen is compared with what is there."""
    beat()
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")
    watch = SilenceWatch()
    (sign,) = watch.silence(datetime.now(UTC))
    beat()

    assert workers.delete_lost([sign]) == []
    assert Worker.objects.count() == 1


def test_a_worker_whose_row_is_held_is_given_time(let_time_pass, postgres):
    """It could not beat: it is timed from then on, and told about by itself."""
    beat()
    let_time_pass(46, "heartbeat_at", table="offbeat_jobs_worker")
    watch = SilenceWatch()
    with postgres.connect(connection.settings_dict["NAME"]) as other, other.transaction():
        other.execute("SELECT 1 FROM offbeat_jobs_worker FOR UPDATE")
        recover_lost(watch)

    recover_lost(watch)

    assert Worker.objects.count() == 1


def test_each_process_tree_is_one_worker():
    """The id is made at import and inherited by fork."""
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, str(workers.current()).encode())
        os._exit(0)
    os.wait()

    assert uuid.UUID(os.read(read, 36).decode()) == workers.current()
    os.close(read)
    os.close(write)
