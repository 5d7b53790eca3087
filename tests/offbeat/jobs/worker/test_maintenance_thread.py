"""The maintenance thread, which goes on whatever happens."""

import logging
import threading
import time

import pytest
import redis as client
from django.db import DataError, IntegrityError, OperationalError, connection

from offbeat.jobs import broker
from offbeat.jobs.models import Broker, Job
from offbeat.jobs.worker.maintenance_thread import MaintenanceThread, PeriodicThread
from offbeat.jobs.worker.periodic_tasks import PeriodicTask, register, registered
from offbeat.jobs.worker.state import WorkerState, worker_state
from tests.offbeat.support.polling import wait_until

AWAY = [
    OperationalError("connection\n refused"),
    client.ConnectionError("refused"),
    broker.BrokerAwayError("refused"),
]


@pytest.fixture(autouse=True)
def quiet(caplog, monkeypatch):
    """The state of a worker that has just started."""
    monkeypatch.setattr(worker_state, "__dict__", vars(WorkerState()))
    caplog.set_level(logging.INFO)
    return worker_state


def failing(*errors):
    """An act that raises these, one a call, and then succeeds."""
    left = list(errors)

    def act():
        if left:
            raise left.pop(0)

    return act


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_tasks_run_when_they_are_due():
    """Each at its own interval, the first time at once."""
    done = []
    often, seldom = (
        PeriodicTask("often", 0.0, lambda: done.append("often")),
        PeriodicTask("seldom", 3600, lambda: done.append("seldom")),
    )
    thread = MaintenanceThread([often, seldom])

    for _ in range(3):
        thread.run_due_tasks()

    assert done == ["often", "seldom", "often", "often"]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_failing_task_is_reported_once(caplog, error):
    """A minute of outage is one line in the log and not sixty, in one line."""
    thread = MaintenanceThread([PeriodicTask("relay", 0.0, failing(error, error, error))])

    for _ in range(3):
        thread.run_due_tasks()

    (line,) = lines(caplog)
    assert line.startswith(f"relay waits: {type(error).__name__}: ")
    assert "\n" not in line


def test_the_next_outage_is_told_again(caplog):
    """After a success in between."""
    outcomes = iter([client.ConnectionError("refused"), None, client.ConnectionError("refused")])

    def act():
        if error := next(outcomes):
            raise error

    thread = MaintenanceThread([PeriodicTask("relay", 0.0, act)])

    for _ in range(3):
        thread.run_due_tasks()

    assert lines(caplog) == 2 * ["relay waits: ConnectionError: refused"]


def test_what_was_not_possible_is_tried_again_after_a_pause():
    """A beat that could not be written is late by a second then, and not by another interval; others take their time."""
    beat = PeriodicTask("heartbeat", 3600, failing(OperationalError("lock timeout")), pause=1.0)
    other = PeriodicTask("slots", 3600, failing(OperationalError("lock timeout")))
    thread = MaintenanceThread([beat, other])

    thread.run_due_tasks()

    now = time.monotonic()
    assert (beat.next_at - now < 2, other.next_at - now > 3000) == (True, True)


def test_a_failing_task_does_not_stop_the_others():
    """Redis away: the heartbeat goes on."""
    done = []
    thread = MaintenanceThread(
        [PeriodicTask("relay", 0.0, failing(*AWAY)), PeriodicTask("heartbeat", 0.0, lambda: done.append(1))]
    )

    thread.run_due_tasks()

    assert done == [1]


def test_a_defect_is_logged_each_time_with_its_traceback(caplog):
    """It is nobody's outage: somebody has to fix it; the thread lives on."""
    thread = MaintenanceThread([PeriodicTask("loss token", 0.0, failing(KeyError("a"), SystemExit("a")))])

    for _ in range(3):
        thread.run_due_tasks()

    assert lines(caplog) == 2 * ["loss token failed"]
    assert caplog.records[0].exc_info[0] is KeyError


def test_a_record_is_kept_until_the_database_takes_it(caplog):
    """What the main thread submits is tried again and again, and then done once."""
    thread = MaintenanceThread([])
    done = []
    outage = failing(*3 * [OperationalError("refused")])

    def record():
        outage()
        done.append(1)

    worker_state.submit(record)
    for _ in range(5):
        thread.wait(until=time.monotonic() + 0.02)

    assert done == [1]
    assert worker_state.records.empty()
    assert lines(caplog) == ["records waits: OperationalError: refused"]


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), DataError("NUL"), IntegrityError("twice")],
    ids=lambda error: type(error).__name__,
)
def test_a_defective_record_is_dropped(caplog, error):
    """Trying again would not help, also where the database is there and refuses it; those behind it are taken."""
    thread = MaintenanceThread([])
    done = []
    worker_state.submit(failing(error))
    worker_state.submit(lambda: done.append(1))

    thread.wait(until=time.monotonic() + 0.02)

    assert done == [1]
    assert worker_state.records.empty()
    assert lines(caplog) == ["records failed"]


def test_a_refused_record_does_not_hold_up_the_others():
    """They are tried in the same round."""
    thread = MaintenanceThread([])
    done = []
    worker_state.submit(failing(OperationalError("refused")))
    worker_state.submit(lambda: done.append(1))

    thread.wait(until=time.monotonic() + 0.02)

    assert done == [1]
    assert worker_state.records.qsize() == 1


def test_records_are_taken_however_long_the_tasks_take():
    """Tasks that wait for locks leave no time between two rounds: what is there is taken all the same."""
    thread = MaintenanceThread([])
    done = []
    for number in range(3):
        worker_state.submit(lambda number=number: done.append(number))

    thread.wait(until=time.monotonic() - 60)

    assert done == [0, 1, 2]


def test_a_record_that_stays_refused_is_reported_once(caplog):
    """Also while others are taken in between."""
    thread = MaintenanceThread([])
    worker_state.submit(failing(*3 * [OperationalError("refused")]))

    for _ in range(3):
        worker_state.submit(list)
        thread.wait(until=time.monotonic())

    assert lines(caplog) == ["records waits: OperationalError: refused"]


def test_a_lost_database_connection_is_replaced(ledger):
    """The next turn gets a new one."""
    thread = MaintenanceThread([])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        before = cursor.fetchone()[0]

    def lose():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    answers = [thread.try_once("relay", act) for act in (lose, Job.objects.count)]

    assert answers == [False, True]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != before


def test_the_thread_does_both(ledger):
    """Started, it runs its tasks, and records what is submitted without waiting for the next of them.

    It lives as long as its process: here it sleeps until the tests end.
    """
    done = []
    task = PeriodicTask("seldom", 3600, lambda: done.append("task"))
    thread = MaintenanceThread([task])
    thread.start()
    wait_until(lambda: done == ["task"])

    worker_state.submit(lambda: (Broker.objects.count(), connection.close(), done.append("record")))
    wait_until(lambda: done == ["task", "record"])


def test_redis_away_and_back_is_noted(quiet):
    """Since when it has been away, the first time that it is told."""
    worker_state.note_broker_lost()
    since = quiet.broker_lost_at
    worker_state.note_broker_lost()

    assert quiet.broker_lost_at == since is not None
    worker_state.note_broker_back()
    assert quiet.broker_lost_at is None


def test_other_apps_add_tasks(monkeypatch):
    """Each worker gets its own copy, and a name registered twice is one task."""
    monkeypatch.setattr("offbeat.jobs.worker.periodic_tasks._registered", {})

    register("slots", 30, list)
    register("slots", 60, dict)

    (first,), (second,) = registered(), registered()
    assert (first.name, first.interval, first.act) == ("slots", 60, dict)
    assert first is not second


def test_another_apps_slow_task_keeps_nobody_waiting(monkeypatch):
    """While one thread is held up by a task, the maintenance thread goes on with its own, and records."""
    held_up, recorded, beaten = threading.Event(), threading.Event(), threading.Event()
    slow = PeriodicTask("slow", 60, lambda: held_up.wait(30))
    PeriodicThread([slow], name="slow").start()
    thread = MaintenanceThread([PeriodicTask("beat", 60, beaten.set)])

    thread.run_due_tasks()
    worker_state.submit(recorded.set)
    thread.wait(until=time.monotonic() + 0.2)

    assert (beaten.is_set(), recorded.is_set()) == (True, True)
    held_up.set()
