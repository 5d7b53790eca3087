"""Statements and idle transactions are bounded where somebody waits for them, with a pooler in transaction mode or without."""

from __future__ import annotations

import psycopg
import pytest
from django.db import OperationalError, connection, transaction

from offbeat.database import statement_bounds
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects import tasks
from tests.offbeat.faults.effects.models import Effect
from tests.offbeat.support.fixtures import connected_to
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler

pytestmark = pytest.mark.faults

NAMES = ("statement_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture(params=["direct", pytest.param("pooled", marks=needs_pgbouncer)])
def way(request, stack):
    """How processes reach the database."""
    stack.direct = stack.environment["DATABASE_URL"]
    if request.param == "pooled":
        stack.environment["DATABASE_URL"] = start_pooler(stack, default_pool_size=3)
    with connected_to(stack.environment["DATABASE_URL"]):
        yield request.param
    connection.execute_wrappers[:] = [
        each for each in connection.execute_wrappers if each is not statement_bounds.within_bounds
    ]


def setting(name):
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [name])
        return cursor.fetchone()[0]


def left_behind(url):
    """Give the bounds of what other clients get."""
    with psycopg.connect(url) as other:
        return [other.execute(f"SHOW {name}").fetchone()[0] for name in NAMES]


def test_a_task_is_bounded_unless_it_says_so(faults, way):
    """A statement that takes too long is the task's own failure, and no reason to try again; the next task is bounded as before."""
    faults.quick_worker(WORKER_CONCURRENCY="1", OFFBEAT_JOBS_STATEMENT_TIMEOUT="1")
    jobs = [
        each.enqueue(name, 3)
        for name, each in (
            ("first", tasks.ask_slowly),
            ("long", tasks.ask_for_as_long_as_it_takes),
            ("next", tasks.ask_slowly),
            ("atomic", tasks.ask_slowly_atomically),
        )
    ]
    faults.wait_for_all()

    found = [Job.objects.get(pk=job.pk) for job in jobs]
    assert [(job.state, job.attempt) for job in found] == [
        ("dead", 1),
        ("succeeded", 1),
        ("dead", 1),
        ("dead", 1),
    ]
    assert "canceling statement due to statement timeout" in found[0].reason
    assert left_behind(faults.stack.environment["DATABASE_URL"]) == ["0", "0"]


def test_a_request_is_bounded(stack, way):
    """A statement, and a transaction that waits for something else: PostgreSQL ends both, and the page fails."""
    web = stack.web(WEB_STATEMENT_TIMEOUT="1", WEB_IDLE_TIMEOUT="1")

    addresses = ("/faults/ask-slowly/4/", "/faults/stand-idle/3/", "/faults/ask-slowly/0/")
    answers = [web.browser.get(address).status for address in addresses]

    assert answers == [500, 500, 200]
    assert "canceling statement due to statement timeout" in web.output
    assert Effect.objects.count() == 0
    assert left_behind(stack.environment["DATABASE_URL"]) == ["0", "0"]


def test_a_command_is_not_bounded(stack, way):
    """A shell, a release, a dump take the time that they need."""
    done = stack.manage(
        "shell",
        "--no-imports",
        "-c",
        "from tests.offbeat.faults.effects.tasks import sleep_in_postgres as s; s(2); print('done')",
        WEB_STATEMENT_TIMEOUT="1",
        WEB_IDLE_TIMEOUT="1",
        OFFBEAT_JOBS_STATEMENT_TIMEOUT="1",
    )

    assert done.stdout.strip() == "done"


def test_a_block_has_a_bound_of_its_own(way):
    """Inside it holds, in a transaction or not; afterwards what was before does."""
    with statement_bounds.statement_timeout(7):
        inside = setting("statement_timeout")
        with transaction.atomic():
            first, second = setting("statement_timeout"), setting("statement_timeout")
        with statement_bounds.statement_timeout(0):
            within = setting("statement_timeout")
        again = setting("statement_timeout")

    assert [inside, first, second, within, again] == ["7s", "7s", "7s", "0", "7s"]
    assert setting("statement_timeout") == "0"


def test_a_connection_that_is_opened_in_the_block_is_bounded(way):
    with statement_bounds.statement_timeout(7):
        connection.close()

        assert setting("statement_timeout") == "7s"


def test_a_block_that_fails_in_a_transaction_leaves_nothing(way):
    """A transaction that has failed takes no setting: its rollback brings back what was before."""
    with pytest.raises(OperationalError), transaction.atomic(), statement_bounds.statement_timeout(0.2):
        tasks.sleep_in_postgres(5)

    assert setting("statement_timeout") == "0"


def test_answers_are_the_statements_own(way):
    """Whatever is asked behind the bounds: rows, counts, placeholders, many at once, a level of isolation."""
    with statement_bounds.statement_timeout(7):
        Effect.objects.bulk_create(Effect(label=f"100%{n}", what="done", pid=n) for n in range(5))
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE effects_effect SET pid = %s WHERE label = %s", [(9, "100%1"), (9, "100%2")]
            )
            cursor.execute("UPDATE effects_effect SET pid = 8 WHERE pid = 9")
            changed = cursor.rowcount
            cursor.execute("SELECT '%', label FROM effects_effect WHERE pid = 8 ORDER BY label")
            rows = cursor.fetchall()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            cursor.execute("SHOW transaction_isolation")
            (level,) = cursor.fetchone()
        listed = [
            effect.pid for effect in Effect.objects.filter(label__startswith="100%").order_by("pk").iterator()
        ]

    assert (changed, rows) == (2, [("%", "100%1"), ("%", "100%2")])
    assert (level, listed) == ("serializable", [0, 8, 8, 3, 4])


def test_an_index_is_built_within_a_bounded_process(way):
    """What PostgreSQL runs in no transaction goes without."""
    with statement_bounds.statement_timeout(7), connection.cursor() as cursor:
        cursor.execute("CREATE INDEX CONCURRENTLY probe ON effects_effect (pid)")
        cursor.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'probe'::regclass")

        assert cursor.fetchone() == (True,)
