"""A worker as its keeper sees it: real duties, on a worker of Celery that is made and not started."""

import os
import time

import pytest
from celery import current_app
from celery.worker import state

from jobs import broker, guard, workers
from jobs.models import Worker
from jobs.worker import keeper
from jobs.worker.keeper import senses
from jobs.worker.view import View, duties
from tests.faults.effects.tasks import nothing

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


@pytest.fixture(scope="module")
def controller():
    yield current_app.WorkController(queues="default,mail", concurrency=2)
    del current_app.amqp.queues  # narrowed to those two


@pytest.fixture
def view(controller, monkeypatch, tmp_path):
    monkeypatch.setenv("JOBS_HEARTBEAT_FILE", str(tmp_path / "beat"))
    monkeypatch.setenv("VERSION", "1.2")
    now = time.monotonic()
    for name, value in {"away_since": None, "stopping": False, "started_at": now, "turned_at": now}.items():
        monkeypatch.setattr(senses, name, value)
    return View(controller)


def test_it_beats_in_the_ledger_and_in_the_file(view, tmp_path):
    """Who it is, what it consumes, and that it is not busy."""
    view.beat()

    row = Worker.objects.get()
    assert (row.queues, row.concurrency, row.version, row.busy) == (["default", "mail"], 2, "1.2", 0)
    assert (tmp_path / "beat").exists()


def test_a_hanging_event_loop_looks_dead_to_the_probe_only(view, monkeypatch, tmp_path):
    """Its running jobs are fine, so the ledger keeps them; the platform should restart it."""
    monkeypatch.setattr(senses, "turned_at", time.monotonic() - 61)

    view.beat()

    assert Worker.objects.count() == 1
    assert not (tmp_path / "beat").exists()


def test_an_event_loop_that_waits_for_redis_does_not_hang(view, monkeypatch, tmp_path):
    """It stands still because the broker is away: that is told, and no reason to restart."""
    monkeypatch.setattr(senses, "turned_at", time.monotonic() - 61)
    monkeypatch.setattr(senses, "away_since", time.monotonic() - 61)

    view.beat()

    assert (tmp_path / "beat").exists()
    assert Worker.objects.get().broker_away_since is not None


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
    guard.begin(job.pk, workers.current())
    return job


def test_the_job_of_a_child_that_is_gone_is_due_again(view, running, row, let_time_pass, monkeypatch):
    """The pool lists other children now; a job that has just begun is given the benefit of the doubt."""
    monkeypatch.setattr(view.worker, "pool", Pool(1))
    view.recover_dead_children()
    young = row(running).state
    let_time_pass(11, "started_at")

    view.recover_dead_children()

    assert (young, row(running).state, row(running).reason) == ("running", "pending", "its process is gone")


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
    """Messages wait, slots are free, nothing starts: the platform restarts what has left."""
    view.leave_if_stuck(stuck.append)

    assert stuck == ["messages wait in default, slots are free, and nothing has started for 360 s"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("away_since", 1.0), ("stopping", True), ("started_at", None)],
    ids=["broker away", "stopping", "started lately"],
)
def test_it_stays_for_good_reason(view, stuck, monkeypatch, name, value):
    """While Redis is away, while it stops, and when something has started lately."""
    monkeypatch.setattr(senses, name, value or time.monotonic() - 200)

    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_nothing_waits(view, stuck):
    """Idle is not stuck."""
    broker.client().flushall()

    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_it_stays_when_it_is_busy(view, stuck, monkeypatch):
    """Two long jobs in two slots."""
    monkeypatch.setattr(state, "reserved_requests", {1, 2})

    view.leave_if_stuck(stuck.append)

    assert stuck == []


def test_every_duty_can_be_done(view):
    """On an idle worker each of them passes; those of other apps are the assistant's."""
    keeping = keeper.Keeper(duties(view.worker, pytest.fail))

    assert [duty.name for duty in keeping.duties] == [
        "heartbeat", "relay", "dead children", "lost workers", "epoch", "lost messages", "late jobs", "stuck consumer",
    ]  # fmt: skip
    for duty in keeping.duties:
        duty.act()


def test_the_intervals_are_settings(settings, view):
    """Seconds, as in JOBS."""
    settings.JOBS = {"relay_interval": 0.5, "heartbeat_interval": 3, "reconcile_interval": 2}

    intervals = {duty.name: duty.interval for duty in duties(view.worker, print)}

    assert (intervals["relay"], intervals["heartbeat"], intervals["epoch"]) == (0.5, 3, 2)
