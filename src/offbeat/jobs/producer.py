"""Writes jobs into the ledger, in the caller's transaction, and publishes them after its commit."""

from __future__ import annotations

import itertools
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import OperationalError, connection, transaction
from psycopg.errors import DeadlockDetected, LockNotAvailable

from offbeat.jobs import code, context, ledger, sql
from offbeat.jobs.arguments import encode_arguments, text_problem
from offbeat.jobs.conf import conf
from offbeat.jobs.identity import uuid7
from offbeat.jobs.models import Job
from offbeat.jobs.relay import CLAIMED, ClaimedJob, publish_committed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LONGEST = {"key": 255, "concurrency_key": 255, "queue": 100}  # characters, as the model has them
CHUNK = 5_000  # rows an INSERT: memory stays flat however many jobs are streamed in

COLUMNS = {
    "id": "uuid",
    "task": "text",
    "runner": "text",
    "options": "jsonb",
    "args": "jsonb",
    "kwargs": "jsonb",
    "queue": "text",
    "priority": "smallint",
    "max_attempts": "int",
    "key": "text",
    "concurrency_key": "text",
    "when_busy": "text",
    "batch_id": "uuid",
    "not_after": "timestamptz",
    "version": "text",
}
GIVEN = COLUMNS | {"run_at": "timestamptz"}  # what a call gives, in this order
KEY = list(GIVEN).index("key")
RETURNED = len(ClaimedJob._fields) + 2  # columns: with created_at and key


ONE_OF_A_KEY = "ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING"


def _insert(rows: str, run_at: str, conflict: str = "") -> str:
    """Return the INSERT of `rows`, whose times and state follow from `run_at`."""
    following = f"""coalesce({run_at}, now()), coalesce({run_at}, now()),
        CASE WHEN {run_at} > now() THEN 'pending' ELSE 'published' END,
        CASE WHEN {run_at} > now() THEN NULL ELSE clock_timestamp() END, statement_timestamp(), %(context)s::jsonb"""
    return f"""
        INSERT INTO offbeat_jobs_job ({", ".join(COLUMNS)}, due_at, publish_at, state, published_at, created_at, context)
        {rows.format(following=following)}
        {conflict}
        RETURNING {CLAIMED}, created_at, key
    """


def _bounded(insert: str) -> str:
    """Return an INSERT from `bound` that waits `key_wait` at most for a transaction that enqueues the same key, in one statement.

    A shorter lock_timeout of the caller's holds; his own is in force again afterwards. No row was inserted: one row of NULLs.
    """
    return f"""
        WITH bound AS MATERIALIZED (
            SELECT was, set_config('lock_timeout', CASE WHEN is_shorter THEN was ELSE own END, true)
            FROM (SELECT was, (%(key_wait)s * 1000)::int::text AS own,
                was::interval BETWEEN '1 ms' AND make_interval(secs => %(key_wait)s) AS is_shorter
                FROM current_setting('lock_timeout') AS was) AS before
        ), new AS ({insert})
        SELECT new.*, set_config('lock_timeout', was, true) FROM bound LEFT JOIN new ON true
    """  # noqa: S608  constants


MANY = (
    f"SELECT {', '.join(COLUMNS)}, {{following}} "  # noqa: S608  constants
    f"FROM unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in GIVEN.items())}) AS new ({', '.join(GIVEN)})"
)
ONE = f"{', '.join(f'%({name})s::{kind}' for name, kind in COLUMNS.items())}, {{following}}"
# Plain values are planned in half the time.
INSERT_ONE = _insert(f"VALUES ({ONE})", "%(run_at)s::timestamptz")
INSERT_MANY = _insert(MANY, "run_at")
FROM_BOUND = f"SELECT {ONE} FROM bound WHERE true"  # noqa: S608  constants
INSERT_ONE_KEYED = _bounded(_insert(FROM_BOUND, "%(run_at)s::timestamptz", ONE_OF_A_KEY))
INSERT_MANY_KEYED = _bounded(_insert(f"{MANY}, bound WHERE true", "run_at", ONE_OF_A_KEY))


class KeyBusyError(OperationalError):
    """Another transaction is enqueueing the same key, and has not ended: whether there will be a job of it is not known yet.

    Nothing has been enqueued; the transaction that this happened in is rolled back. Try again, or enqueue outside long ones.
    Of two transactions that enqueue the same keys in another order, each waits for the other: PostgreSQL ends one of them so.
    """


@dataclass(frozen=True, slots=True)
class Call:
    """A task with its arguments and options: what becomes one row."""

    task: str
    queue: str
    max_attempts: int
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    concurrency_key: str | None = None
    when_busy: str = Job.WhenBusy.WAIT
    batch_id: uuid.UUID | None = None
    not_after: datetime | None = None
    run_at: datetime | None = None
    priority: int = 0  # -100 to 100, higher first
    runner: str = ""  # the task of Celery that runs it, where that is another one
    options: Mapping[str, Any] = field(default_factory=dict)  # what that one has to know besides

    def row(self) -> tuple[Any, ...]:
        args, kwargs = encode_arguments(self.task, self.args, self.kwargs)
        options = json.dumps(self.options) if self.options else "{}"
        return (uuid7(), self.task, self.runner, options, args, kwargs, self._text("queue"), self.priority, self.max_attempts,
                self._text("key"), self._text("concurrency_key"), self.when_busy, self.batch_id,
                self._moment("not_after"), code.version(), self._moment("run_at"))  # fmt: skip

    def _text(self, name: str) -> str | None:
        """Return a text that a column holds; refuse any other here, with its name: PostgreSQL would not say which one it is."""
        text = getattr(self, name)
        if text is None:
            return None
        longest = LONGEST[name]
        if not isinstance(text, str):
            raise TypeError(f"{self.task}: {name} should be a text, got {text!r}.")
        if len(text) > longest:
            raise ValueError(
                f"{self.task}: {name} is {len(text)} characters long, and may be {longest}: {text[:40]}…"
            )
        if problem := text_problem(text):
            raise ValueError(f"{self.task}: {name} {problem}.")
        return text

    def _moment(self, name: str) -> datetime | None:
        """Return a time in UTC: PostgreSQL takes no zone that is 16 hours away.

        Refuse one that PostgreSQL stores and Python cannot read, as every page with the row would fail.
        """
        moment: datetime | None = getattr(self, name)
        if moment is None:
            return None
        try:
            for zone in (-1, 1):  # a day on both sides: wherever it is read
                moment.astimezone(UTC) + timedelta(days=zone)
        except OverflowError:
            raise ValueError(f"{self.task}: {name} is {moment}, and years go from 1 to 9999.") from None
        return moment.astimezone(UTC)


def enqueue(call: Call) -> Job:
    """Write one job and return it; with a `key` that exists, return the job that has it.

    1. the row is written in the caller's transaction (rolled back with it), and says `published` already;
    2. after commit its message is sent.
    Death between the two: the reconciler finds no message of it, and the relay publishes it. Redis away: the row is pending,
    and the relay publishes it as soon as Redis is back.
    """
    return write(call)[0]


def write(call: Call) -> tuple[Job, bool]:
    """Do the same, and tell whether the job is a new one."""
    while True:
        for job_id, created_at in insert([call]):
            known = {
                "id": job_id,
                "task": call.task,
                "queue": call.queue,
                "priority": call.priority,
                "created_at": created_at,
            }  # the rest is read when asked for
            return Job.from_db(connection.alias, list(known), list(known.values())), True
        existing = Job.objects.filter(key=call.key).first()
        if existing is not None:  # another enqueue of the same key won: its job is the answer
            return existing, False
        # The job with that key was pruned between the two statements: now the key is free.


def enqueue_many(calls: Iterable[Call]) -> int:
    """Write any number of jobs, streamed in chunks; return how many were new (a `key` that exists is left alone).

    Within a transaction all of them appear together, else chunk by chunk. Each chunk is one INSERT, and one command to Redis for
    each queue.
    """
    return sum(len(insert(chunk)) for chunk in _chunks(calls))


def enqueue_all(calls: Sequence[Call]) -> list[uuid.UUID]:
    """Do what `enqueue` does for calls with a key each, in few statements; return the id of each one's job, in their order."""
    if len(calls) == 1:
        return [enqueue(calls[0]).pk]
    enqueue_many(calls)
    ids = dict(Job.objects.filter(key__in=[call.key for call in calls]).values_list("key", "pk"))
    return [ids.get(call.key) or enqueue(call).pk for call in calls]  # pruned between the two: once more


def insert(calls: Sequence[Call]) -> list[tuple[uuid.UUID, datetime]]:
    """Insert rows, arrange their publishing after commit, return the id and the time of those that were new.

    Raises SynchronousOnlyOperation, as Django, in a thread with an event loop, which it would keep waiting.
    """
    try:
        return _write(calls)
    except SynchronousOnlyOperation:
        name = calls[0].task
        raise SynchronousOnlyOperation(
            f"{name}: enqueue waits for PostgreSQL, and this is async code: write `await {name.rpartition('.')[2]}.aenqueue(...)`"
            " (aenqueue_many for enqueue_many)"
        ) from None


def _write(calls: Sequence[Call]) -> list[tuple[uuid.UUID, datetime]]:
    refuse_by_hand(calls[0].task)
    ledger.identity()  # known before the commit: nothing after it may fail for want of it
    rows = [call.row() for call in calls]
    is_keyed = any(call.key for call in calls)
    values: Iterable[Any]
    if len(rows) == 1:
        statement, values = INSERT_ONE_KEYED if is_keyed else INSERT_ONE, rows[0]
    else:
        # In one order everywhere: whoever enqueues the same keys waits behind us, and not in a circle.
        rows.sort(key=lambda row: row[KEY] or "")
        statement, values = INSERT_MANY_KEYED if is_keyed else INSERT_MANY, map(list, zip(*rows, strict=True))
    new = _execute(statement, dict(zip(GIVEN, values, strict=True)))
    places = {call.key: place for place, call in enumerate(calls)}
    new.sort(key=lambda row: places[row[-1]])  # they begin in the order of the calls
    due = [claim for *row, _, _ in new if (claim := ClaimedJob(*row)).published_at]
    if due:
        transaction.on_commit(partial(publish_committed, due, time.monotonic()))
    return [(row[0], row[-2]) for row in new]


def refuse_by_hand(name: str) -> None:
    """Raise TransactionManagementError where Django would not say when a transaction is committed: before anything is written."""
    if not (connection.in_atomic_block or connection.get_autocommit()):
        raise transaction.TransactionManagementError(
            f"{name}: enqueue publishes after the commit, of which Django tells nobody where transactions are managed by hand "
            "(set_autocommit(False)): use transaction.atomic()"
        )


def _execute(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    wait = conf().key_wait
    try:
        rows = _fetch(statement, values | {"context": context.current(), "key_wait": wait})
    except OperationalError as error:
        why = _why_busy(error.__cause__, wait, ONE_OF_A_KEY in statement)
        if why is None:
            raise
        raise KeyBusyError(why) from error.__cause__
    return [row[:RETURNED] for row in rows if row[0]]


def _why_busy(error: BaseException | None, wait: float, is_keyed: bool) -> str | None:
    if isinstance(error, LockNotAvailable):
        return f"waited {wait:g} s for another transaction that enqueues the same key (or locks the ledger) and has not ended"
    if isinstance(error, DeadlockDetected) and is_keyed:
        return "waited for another transaction that enqueues the same key, and that waits for this one: try all of it again"
    return None


def _fetch(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    if statement is not INSERT_ONE:
        return sql.fetch_all(statement, values)
    from offbeat.jobs import prepared  # noqa: PLC0415  what only declares tasks does without it

    # Of a session that is closed after each request, as is Django's default, none enqueues often.
    return prepared.fetch_all(statement, values, unplanned=1)


def _chunks(calls: Iterable[Call]) -> Iterator[list[Call]]:
    iterator = iter(calls)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk
