"""What a task leaves in its connections does not reach the next one."""

import signal
import sys
import uuid
from contextvars import ContextVar

import pytest
from celery import shared_task
from celery.app.trace import build_tracer
from django.db import connection, connections, transaction
from django.db.backends.sqlite3 import base as sqlite3
from django.urls import get_urlconf, set_urlconf
from django.utils import timezone, translation
from psycopg import IsolationLevel, sql

from offbeat.jobs import leftovers, tracer
from offbeat.jobs.leftovers import CHANGES_SESSION, UnfinishedTransactionError
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.faults.effects.tasks import nothing
from tests.offbeat.support.attempts import run_jobs

pytestmark = pytest.mark.usefixtures("ledger", "carrier")


def session():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def run(*statements):
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


CHANGING = [
    "SET statement_timeout = '1h'",
    "set session search_path to pg_catalog",
    "SELECT set_config('statement_timeout', '1h', false)",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "CREATE TEMPORARY TABLE scratch (id int)",
    "LISTEN news",
    "PREPARE question AS SELECT 1",
    "SET ROLE NONE",
    "/* why */ SET statement_timeout = '1h'",
    "-- why\nSET statement_timeout = '1h'",
    "SELECT 1; SET statement_timeout = '1h'",
    "SELECT 1 AS a INTO TEMP left_behind",
    sql.SQL("SET {} = {}").format(sql.Identifier("statement_timeout"), sql.Literal("1h")),
]
HARMLESS = [
    "SELECT 1",
    "SELECT set_config('statement_timeout', '1h', true)",
    "SELECT pg_advisory_xact_lock(1)",
    "UPDATE effects_effect SET label = 'set x'",
]


@pytest.mark.parametrize("statement", CHANGING, ids=str)
def test_a_session_that_was_changed_is_not_used_again(statement):
    """Whatever it was: the next task has a new one."""
    before = session()

    with leftovers.remove_leftovers():
        run(statement)

    assert session() != before


@pytest.mark.parametrize("statement", HARMLESS)
def test_a_session_that_was_not_is(statement):
    """A new connection costs milliseconds: not for nothing."""
    before = session()

    with leftovers.remove_leftovers():
        run(statement)

    assert session() == before


def test_local_settings_are_harmless():
    """They end with their transaction."""
    before = session()

    with leftovers.remove_leftovers(), transaction.atomic():
        run(
            "SET LOCAL statement_timeout = '1h'",
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
            "SET CONSTRAINTS ALL DEFERRED",
        )

    assert session() == before


def test_enqueueing_leaves_nothing():
    """With a key, too, which bounds a wait for the length of its statement."""
    before = session()

    with leftovers.remove_leftovers():
        nothing.using(key="k").enqueue()

    assert (session(), Job.objects.count()) == (before, 1)


def test_what_was_changed_past_django():
    """PostgreSQL reports some settings by itself."""
    before = session()

    with leftovers.remove_leftovers():
        connection.connection.execute("SET default_transaction_read_only = on")

    assert session() != before


OPENING = {
    "autocommit switched off": lambda: connection.set_autocommit(False),
    "a statement": lambda: run("BEGIN"),
    "a block that is entered and not left": lambda: transaction.atomic().__enter__(),
}


@pytest.mark.parametrize("how", OPENING)
def test_changes_in_an_open_transaction_are_told(how):
    """They are rolled back, and that is no success."""

    def leave_open():
        with leftovers.remove_leftovers():
            OPENING[how]()
            Effect.objects.create(label="open", what="done", pid=0)

    with pytest.raises(UnfinishedTransactionError, match="the task did not close a transaction"):
        leave_open()

    assert Effect.objects.count() == 0
    assert connection.get_autocommit()
    assert not connection.in_atomic_block


@pytest.mark.parametrize("how", OPENING)
def test_an_open_transaction_without_changes_is_closed(how):
    """Nothing is lost: nothing is said."""
    with leftovers.remove_leftovers():
        OPENING[how]()
        Effect.objects.count()

    assert (connection.get_autocommit(), connection.in_atomic_block) == (True, False)


def test_an_error_of_the_task_is_the_tasks():
    """What is left open with it is closed, and not told instead of it."""

    def fail():
        with leftovers.remove_leftovers():
            connection.set_autocommit(False)
            Effect.objects.create(label="open", what="done", pid=0)
            raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        fail()

    assert (connection.get_autocommit(), Effect.objects.count()) == (True, 0)


def test_a_transaction_around_it_is_left_alone():
    """That of a test, or of an atomic task."""
    with transaction.atomic():
        with leftovers.remove_leftovers():
            Effect.objects.create(label="a", what="done", pid=0)
        assert connection.in_atomic_block

    assert Effect.objects.count() == 1


def test_statements_are_known_by_their_beginning():
    """A megabyte of values is not searched."""
    assert not CHANGES_SESSION.search("INSERT INTO t VALUES ('set x')")
    assert CHANGES_SESSION.search("  SET TIME ZONE 'UTC'")


@pytest.mark.fault("a task sets an alarm (`setitimer`) or a low recursion limit")
def test_an_alarm_that_is_left_does_not_ring():
    """It would be the next task's error."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    try:
        with leftovers.remove_leftovers():
            signal.setitimer(signal.ITIMER_REAL, 30)
        assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@pytest.mark.fault("a task sets an alarm (`setitimer`) or a low recursion limit")
def test_a_limit_of_recursion_ends_with_its_task():
    """A low one would end the process."""
    before = sys.getrecursionlimit()

    with leftovers.remove_leftovers():
        sys.setrecursionlimit(before + 7)

    assert sys.getrecursionlimit() == before


def test_what_others_wrap_stays():
    """Tracing wraps each new connection, perhaps in the middle of a task: its wrapper stays, and ours goes."""

    def trace(execute, *call):
        return execute(*call)

    with leftovers.remove_leftovers():
        connection.execute_wrappers.append(trace)
    left = list(connection.execute_wrappers)
    connection.execute_wrappers.clear()

    assert left == [trace]


@pytest.fixture
def sqlite(monkeypatch, tmp_path):
    """A second database, which is no PostgreSQL."""
    settings = connection.settings_dict | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": tmp_path / "beside",
        "OPTIONS": {},
    }
    beside = sqlite3.DatabaseWrapper(settings, "beside")
    monkeypatch.setattr(connections, "all", lambda **_: [connection, beside])
    yield beside
    beside.close()


def test_another_kind_of_database(sqlite):
    """A task may have one beside: nothing is asked of it that it does not know, and its open blocks are closed."""
    for _ in range(2):
        with leftovers.remove_leftovers(), sqlite.cursor() as cursor:
            cursor.execute("SELECT 1")
    with leftovers.remove_leftovers():
        sqlite.set_autocommit(False)

    assert sqlite.get_autocommit()


@pytest.mark.parametrize(
    "change",
    [
        {"isolation_level": IsolationLevel.SERIALIZABLE},
        {"read_only": True},
        {"isolation_level": IsolationLevel.REPEATABLE_READ, "deferrable": True},
    ],
    ids=str,
)
def test_another_way_to_begin_transactions(change):
    """Set on psycopg's connection, it is a statement only when the next transaction begins."""
    before = session()

    with leftovers.remove_leftovers():
        for name, value in change.items():
            setattr(connection.connection, name, value)

    assert session() != before


ACTIVATED = []
DEPTH = ContextVar("DEPTH", default=0)


@shared_task
def activate(zone, language):
    """Note what is there, and leave something else, in each way that Django and Python have for one thread."""
    ACTIVATED.append(
        (
            timezone.get_current_timezone_name(),
            translation.get_language(),
            get_urlconf(),
            DEPTH.get(),
        )
    )
    timezone.activate(zone)
    translation.activate(language)
    set_urlconf("somewhere.else")
    DEPTH.set(DEPTH.get() + 1)


@pytest.mark.fault("a task activates a language, a time zone or another context variable")
@pytest.mark.parametrize("how", ["durable", "plain"])
def test_what_a_task_activates_ends_with_it(how):
    """Time zone, language, URLs, any context variable."""
    ACTIVATED.clear()
    for zone, language in (("Asia/Tokyo", "de"), ("America/Lima", "fr")):
        if how == "durable":
            activate.enqueue(zone, language)
            run_jobs()
        else:
            celerys = build_tracer(activate.name, activate, app=activate.app, eager=True)
            tracer.trace(activate, celerys, str(uuid.uuid4()), (zone, language), {}, {})

    assert ACTIVATED == [("UTC", "en-us", None, 0)] * 2
