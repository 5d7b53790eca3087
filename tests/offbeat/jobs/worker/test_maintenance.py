"""The keeper: a thread that goes on whatever happens."""

import logging
import threading
import time

import pytest
import redis as client
from django.db import DataError, IntegrityError, OperationalError, connection

from offbeat.jobs import broker
from offbeat.jobs.models import Broker, Job
from offbeat.jobs.worker import maintenance
from offbeat.jobs.worker.maintenance import Keeper, senses
from offbeat.jobs.worker.periodic_tasks import Duty, register, registered
from tests.offbeat.support.polling import wait_until

AWAY = [
    OperationalError("connection\n refused"),
    client.ConnectionError("refused"),
    broker.BrokerAwayError("refused"),
]


@pytest.fixture(autouse=True)
def quiet(caplog, monkeypatch):
    """The senses of a worker that has just started."""
    monkeypatch.setattr(maintenance, "senses", type(senses)())
    caplog.set_level(logging.INFO)
    return maintenance.senses


def failing(*errors):
    """An act that raises these, one a call, and then succeeds."""
    left = list(errors)

    def act():
        if left:
            raise left.pop(0)

    return act


def lines(caplog):
    return [record.getMessage() for record in caplog.records]


def test_duties_are_done_when_they_are_due():
    """Each at its own interval, the first time at once."""
    done = []
    often, seldom = (
        Duty("often", 0.0, lambda: done.append("often")),
        Duty("seldom", 3600, lambda: done.append("seldom")),
    )
    keeping = Keeper([often, seldom])

    for _ in range(3):
        keeping.do_what_is_due()

    assert done == ["often", "seldom", "often", "often"]


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
def test_a_failing_duty_is_told_once(caplog, error):
    """A minute of outage is one line in the log and not sixty, in one line."""
    keeping = Keeper([Duty("relay", 0.0, failing(error, error, error))])

    for _ in range(3):
        keeping.do_what_is_due()

    (line,) = lines(caplog)
    assert line.startswith(f"relay waits: {type(error).__name__}: ")
    assert "\n" not in line


def test_the_next_outage_is_told_again(caplog):
    """After a success in between."""
    outcomes = iter([client.ConnectionError("refused"), None, client.ConnectionError("refused")])

    def act():
        if error := next(outcomes):
            raise error

    keeping = Keeper([Duty("relay", 0.0, act)])

    for _ in range(3):
        keeping.do_what_is_due()

    assert lines(caplog) == 2 * ["relay waits: ConnectionError: refused"]


def test_what_was_not_possible_is_tried_again_after_a_pause():
    """A beat that could not be written is late by a second then, and not by another interval; others take their time."""
    beat = Duty("heartbeat", 3600, failing(OperationalError("lock timeout")), pause=1.0)
    other = Duty("slots", 3600, failing(OperationalError("lock timeout")))
    keeping = Keeper([beat, other])

    keeping.do_what_is_due()

    now = time.monotonic()
    assert (beat.next_at - now < 2, other.next_at - now > 3000) == (True, True)


def test_a_failing_duty_does_not_stop_the_others():
    """Redis away: the heartbeat goes on."""
    done = []
    keeping = Keeper([Duty("relay", 0.0, failing(*AWAY)), Duty("heartbeat", 0.0, lambda: done.append(1))])

    keeping.do_what_is_due()

    assert done == [1]


def test_a_defect_is_logged_each_time_with_its_traceback(caplog):
    """It is nobody's outage: somebody has to mend it; the keeper lives on."""
    keeping = Keeper([Duty("epoch", 0.0, failing(KeyError("a"), KeyError("a")))])

    for _ in range(3):
        keeping.do_what_is_due()

    assert lines(caplog) == 2 * ["epoch failed"]
    assert caplog.records[0].exc_info[0] is KeyError


def test_a_record_is_kept_until_the_database_takes_it(caplog):
    """What the main thread submits is tried again and again, and then done once."""
    keeping = Keeper([])
    done = []
    outage = failing(*3 * [OperationalError("refused")])

    def record():
        outage()
        done.append(1)

    maintenance.submit(record)
    for _ in range(5):
        keeping.take_in(until=time.monotonic() + 0.02)

    assert done == [1]
    assert maintenance.senses.inbox.empty()
    assert lines(caplog) == ["records waits: OperationalError: refused"]


@pytest.mark.parametrize(
    "error",
    [KeyError("a"), DataError("NUL"), IntegrityError("twice")],
    ids=lambda error: type(error).__name__,
)
def test_a_defective_record_is_dropped(caplog, error):
    """Trying again would not help, also where the database is there and refuses it; those behind it are taken."""
    keeping = Keeper([])
    done = []
    maintenance.submit(failing(error))
    maintenance.submit(lambda: done.append(1))

    keeping.take_in(until=time.monotonic() + 0.02)

    assert done == [1]
    assert maintenance.senses.inbox.empty()
    assert lines(caplog) == ["records failed"]


def test_a_refused_record_does_not_hold_up_the_others():
    """They are tried in the same round."""
    keeping = Keeper([])
    done = []
    maintenance.submit(failing(OperationalError("refused")))
    maintenance.submit(lambda: done.append(1))

    keeping.take_in(until=time.monotonic() + 0.02)

    assert done == [1]
    assert maintenance.senses.inbox.qsize() == 1


def test_records_are_taken_however_long_the_duties_take():
    """Duties that wait for locks leave no time between two rounds: what is there is taken all the same."""
    keeping = Keeper([])
    done = []
    for number in range(3):
        maintenance.submit(lambda number=number: done.append(number))

    keeping.take_in(until=time.monotonic() - 60)

    assert done == [0, 1, 2]


def test_a_record_that_stays_refused_is_told_once(caplog):
    """Also while others are taken in between."""
    keeping = Keeper([])
    maintenance.submit(failing(*3 * [OperationalError("refused")]))

    for _ in range(3):
        maintenance.submit(list)
        keeping.take_in(until=time.monotonic())

    assert lines(caplog) == ["records waits: OperationalError: refused"]


def test_a_lost_database_connection_is_replaced(ledger):
    """The next turn gets a new one."""
    keeping = Keeper([])
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        before = cursor.fetchone()[0]

    def lose():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    answers = [keeping.attempt("relay", act) for act in (lose, Job.objects.count)]

    assert answers == [False, True]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != before


def test_the_thread_does_both(ledger):
    """Started, it does its duties, and takes in what is submitted without waiting for the next of them.

    It lives as long as its process: here it sleeps until the tests end.
    """
    done = []
    duty = Duty("seldom", 3600, lambda: done.append("duty"))
    keeping = Keeper([duty])
    keeping.start()
    wait_until(lambda: done == ["duty"])

    maintenance.submit(lambda: (Broker.objects.count(), connection.close(), done.append("record")))
    wait_until(lambda: done == ["duty", "record"])


def test_redis_away_and_back_is_noted(quiet):
    """Since when it has been away, the first time that it is told."""
    maintenance.broker_is_away()
    since = quiet.away_since
    maintenance.broker_is_away()

    assert quiet.away_since == since is not None
    maintenance.broker_is_back()
    assert quiet.away_since is None


def test_other_apps_add_duties(monkeypatch):
    """Each worker gets its own copy, and a name registered twice is one duty."""
    monkeypatch.setattr("offbeat.jobs.worker.periodic_tasks._registered", {})

    register("slots", 30, list)
    register("slots", 60, dict)

    (first,), (second,) = registered(), registered()
    assert (first.name, first.interval, first.act) == ("slots", 60, dict)
    assert first is not second


def test_another_apps_slow_duty_keeps_nobody_waiting(monkeypatch):
    """While the assistant is held up by one of its duties, the keeper goes on with its own, and takes records in."""
    held_up, recorded, beaten = threading.Event(), threading.Event(), threading.Event()
    slow = Duty("slow", 60, lambda: held_up.wait(30))
    maintenance.Assistant([slow], name="assistant").start()
    keeping = maintenance.Keeper([Duty("beat", 60, beaten.set)])

    keeping.do_what_is_due()
    maintenance.submit(recorded.set)
    keeping.take_in(until=time.monotonic() + 0.2)

    assert (beaten.is_set(), recorded.is_set()) == (True, True)
    held_up.set()
