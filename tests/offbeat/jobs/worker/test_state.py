"""A worker as its keeper sees it: real duties, on a worker of Celery that is made and not started."""

import os
import time
from datetime import UTC, datetime

import pytest
from celery import current_app
from celery.worker import state

from offbeat.jobs import attempts, broker, workers
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.worker import maintenance
from offbeat.jobs.worker.clock import Step
from offbeat.jobs.worker.maintenance import senses
from offbeat.jobs.worker.state import View, beats, duties
from tests.offbeat.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture(scope="module")
def controller():
    yield current_app.WorkController(queues="default,mail", concurrency=2)
    del current_app.amqp.queues  # narrowed to those two


@pytest.fixture
def view(controller, monkeypatch, tmp_path):
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))
    monkeypatch.setenv("VERSION", "1.2")
    now = time.monotonic()
    quiet = {"away_since": None, "stopping": False, "gone": False, "gave_up": False}
    for name, value in quiet.items():
        monkeypatch.setattr(senses, name, value)
    for name in ("started_at", "turned_at", "kept_at"):
        monkeypatch.setattr(senses, name, now)
    return View(controller)


def test_it_beats_in_the_ledger_and_in_the_file(view, tmp_path):
    """Who it is, what it consumes, and that it is not busy."""
    view.tell_probe()
    view.beat()

    row = Worker.objects.get()
    assert (row.queues, row.concurrency, row.version, row.busy) == (["default", "mail"], 2, "1.2", 0)
    assert (tmp_path / "beat").exists()


def test_a_hanging_event_loop_looks_dead_to_the_probe_only(view, monkeypatch, tmp_path):
    """Its running jobs are fine, so the ledger keeps them; the platform should restart it."""
    monkeypatch.setattr(senses, "turned_at", time.monotonic() - 61)

    view.tell_probe()
    view.beat()

    assert Worker.objects.count() == 1
    assert not (tmp_path / "beat").exists()


def test_an_event_loop_that_waits_for_redis_does_not_hang(view, monkeypatch, tmp_path):
    """It stands still because the broker is away: that is told, and no reason to restart."""
    monkeypatch.setattr(senses, "turned_at", time.monotonic() - 61)
    monkeypatch.setattr(senses, "away_since", time.monotonic() - 61)

    view.tell_probe()
    view.beat()

    assert (tmp_path / "beat").exists()
    assert Worker.objects.get().broker_away_since is not None


def test_a_worker_that_has_left_beats_no_more(view, monkeypatch, tmp_path):
    """It would appear again, and be buried as lost."""
    monkeypatch.setattr(senses, "gone", True)

    view.tell_probe()
    view.beat()

    assert Worker.objects.count() == 0
    assert not (tmp_path / "beat").exists()


@pytest.mark.parametrize("problem", ["no folder", "a folder"])
def test_a_file_that_cannot_be_written_does_not_silence_the_worker(
    view, monkeypatch, tmp_path, caplog, problem
):
    """A full disk, or somebody else's file: the ledger hears of the worker all the same, and the log says why once."""
    file = tmp_path / "none" / "beat" if problem == "no folder" else tmp_path
    monkeypatch.setenv("OFFBEAT_JOBS_HEARTBEAT_FILE", str(file))
    its_duties = maintenance.Keeper(beats(view))

    for _ in range(2):
        for duty in its_duties.duties:
            its_duties.attempt(duty.name, duty.act)

    assert Worker.objects.count() == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(file) in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_step_of_the_clock_is_told(view, monkeypatch, caplog):
    """Whoever is silent since is not lost before everybody had the time for two beats; the log says how far, once."""
    view.beat()
    view.steady_since -= 3600
    view.clock.ahead = tuple(each - 300 for each in view.clock.ahead)

    for _ in range(2):
        view.beat()

    assert [record.getMessage() for record in caplog.records] == [
        "PostgreSQL's clock has been set 300 s forward"
    ]
    assert time.monotonic() - view.steady_since < 60


def test_after_a_step_no_message_is_taken_for_lost(view, carrier):
    """Which one is older is told by the clock; after a step back for as long as the clock shows times that were shown before."""
    job = nothing.enqueue()
    carrier.flushall()
    view.note_step(Step(-100.0, datetime.now(UTC)))
    moment = view.forged_until - time.monotonic()

    view.republish_lost_messages()

    assert Job.objects.get(pk=job.pk).state == "published"
    assert 129 < moment < 131


def test_a_keeper_that_hangs_looks_dead_to_the_probe_only(view, monkeypatch, tmp_path):
    """Nothing relays and nothing recovers in this worker: the platform should restart it; others leave its jobs alone."""
    monkeypatch.setattr(senses, "kept_at", time.monotonic() - 301)

    view.tell_probe()
    view.beat()

    assert Worker.objects.count() == 1
    assert not (tmp_path / "beat").exists()


@pytest.fixture
def silent_worker(let_time_pass):
    """A worker whose last beat is a minute old."""
    Worker.objects.create(hostname="h", pid=1, queues=[], concurrency=1)
    let_time_pass(60, "heartbeat_at", table="offbeat_jobs_worker")


def test_who_beats_steadily_buries_the_lost(view, silent_worker):
    """Two beats' time is enough for everybody who lives to say so."""
    view.beat()
    view.steady_since -= 21

    view.bury_lost_workers()

    assert Worker.objects.get().pk == workers.current()


@pytest.mark.parametrize(("steady", "beaten"), [(19, 0), (3600, 21)], ids=["just begun", "late itself"])
def test_who_does_not_beat_steadily_buries_nobody(view, silent_worker, steady, beaten):
    """PostgreSQL may have been away for everybody: those who live get the time to say so."""
    view.beat()
    view.steady_since -= steady
    view.beaten_at -= beaten

    view.bury_lost_workers()

    assert Worker.objects.count() == 2


def test_a_late_beat_is_a_new_beginning(view, silent_worker):
    """After a minute without a beat, its own was not to be had either."""
    view.beat()
    view.steady_since -= 3600
    view.beaten_at -= 60

    view.beat()
    view.bury_lost_workers()

    assert Worker.objects.count() == 2


class Process:
    """A child of the pool, as billiard lists it."""

    def __init__(self, pid):
        self.pid = pid


class Pool:
    def __init__(self, *pids):
        self._pool = self
        self._pool = type("Inner", (), {"_pool": [Process(pid) for pid in pids]})()


@pytest.fixture
def running():
    job = nothing.enqueue()
    attempts.begin(job.pk, workers.current())
    return job


def believe_it(view):
    """Let the worker have missed them for as long as it takes."""
    view.missing = {each: since - 11 for each, since in view.missing.items()}


def test_the_job_of_a_child_that_is_gone_is_due_again(view, running, row, monkeypatch):
    """The pool lists other children now; one that has just been forked is given the benefit of the doubt."""
    monkeypatch.setattr(view.worker, "pool", Pool(1))
    view.recover_dead_children()
    young = row(running).state
    believe_it(view)

    view.recover_dead_children()

    assert (young, row(running).state, row(running).reason) == ("running", "pending", "its process is gone")


def test_a_child_that_is_in_the_list_again_was_never_gone(view, running, row, monkeypatch):
    """What was noted about it is forgotten."""
    monkeypatch.setattr(view.worker, "pool", Pool(1))
    view.recover_dead_children()
    believe_it(view)
    monkeypatch.setattr(view.worker, "pool", Pool(os.getpid()))
    view.recover_dead_children()
    monkeypatch.setattr(view.worker, "pool", Pool(1))
    view.recover_dead_children()

    assert row(running).state == "running"


def test_the_job_of_a_child_that_the_worker_killed_is_not_charged(view, running, row, monkeypatch):
    """The worker is about to hand it back."""
    monkeypatch.setattr(view.worker, "pool", Pool(1))
    view.recover_dead_children()
    believe_it(view)
    monkeypatch.setattr(senses, "gave_up", True)

    view.recover_dead_children()

    assert row(running).state == "running"


def test_the_job_of_a_child_that_lives_runs_on(view, running, row, let_time_pass, monkeypatch):
    """However long."""
    monkeypatch.setattr(view.worker, "pool", Pool(os.getpid()))
    let_time_pass(36_000, "started_at")

    view.recover_dead_children()

    assert row(running).state == "running"


def test_a_pool_without_processes_has_no_dead_ones(view, running, row, let_time_pass, monkeypatch):
    """A pool of threads tells nothing about them."""
    monkeypatch.setattr(view.worker, "pool", None)
    let_time_pass(36_000, "started_at")

    view.recover_dead_children()

    assert row(running).state == "running"


@pytest.fixture
def stuck(view, monkeypatch):
    """A worker that has been idle for six minutes while a message waits; gives the reasons for which it left."""
    nothing.enqueue()
    monkeypatch.setattr(senses, "started_at", time.monotonic() - 360)
    return []


def test_a_stuck_consumer_leaves(view, stuck):
    """Messages wait, slots are free, nothing starts at the second look either: the platform restarts what has left."""
    view.leave_if_stuck(stuck.append)
    first = list(stuck)
    view.leave_if_stuck(stuck.append)

    assert first == []
    assert stuck == ["messages wait in default, slots are free, and nothing has started for 360 s"]


def test_a_message_that_has_just_come_is_not_stuck(view, stuck):
    """At the next look it has been taken; another one that has just come begins anew."""
    view.leave_if_stuck(stuck.append)
    broker.client().flushall()
    view.leave_if_stuck(stuck.append)
    nothing.enqueue()
    view.leave_if_stuck(stuck.append)

    assert stuck == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("away_since", 1.0), ("stopping", True), ("started_at", None)],
    ids=["broker away", "stopping", "started lately"],
)
def test_it_stays_for_good_reason(view, stuck, monkeypatch, name, value):
    """While Redis is away, while it stops, and when something has started lately."""
    monkeypatch.setattr(senses, name, value or time.monotonic() - 200)

    view.leave_if_stuck(stuck.append)
    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_nothing_waits(view, stuck):
    """Idle is not stuck."""
    broker.client().flushall()

    view.leave_if_stuck(stuck.append)
    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_it_is_busy(view, stuck, monkeypatch):
    """Two long jobs in two slots."""
    monkeypatch.setattr(state, "reserved_requests", {1, 2})

    view.leave_if_stuck(stuck.append)
    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_every_duty_can_be_done(view):
    """On an idle worker each of them passes; those of other apps are the assistant's."""
    keeping = maintenance.Keeper([*beats(view), *duties(view, pytest.fail)])

    assert [duty.name for duty in keeping.duties] == [
        "heartbeat file", "heartbeat", "relay", "refused jobs", "dead children", "lost workers", "epoch", "lost messages",
        "late jobs", "unknown jobs", "batches", "free keys", "stuck consumer",
    ]  # fmt: skip
    for duty in keeping.duties:
        duty.act()


def test_the_intervals_are_settings(settings, view):
    """Seconds, as in OFFBEAT_JOBS."""
    settings.OFFBEAT_JOBS = {"relay_interval": 0.5, "heartbeat_interval": 3, "reconcile_interval": 2}

    intervals = {duty.name: duty.interval for duty in [*beats(view), *duties(view, print)]}

    assert (intervals["relay"], intervals["heartbeat"], intervals["epoch"]) == (0.5, 3, 2)
