"""Writes jobs into the ledger, in the caller's transaction, and publishes them after its commit."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from jobs import context, ledger
from jobs.arguments import encoded
from jobs.identity import uuid7
from jobs.models import Job
from jobs.relay import Claim, publish_committed

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

CHUNK = 5_000  # rows an INSERT: memory stays flat however many jobs are streamed in

COLUMNS = {
    "id": "uuid",
    "task": "text",
    "args": "jsonb",
    "kwargs": "jsonb",
    "queue": "text",
    "max_attempts": "int",
    "key": "text",
    "concurrency_key": "text",
    "when_busy": "text",
    "batch_id": "uuid",
    "not_after": "timestamptz",
}
GIVEN = COLUMNS | {"run_at": "timestamptz"}  # what a call gives, in this order


def _insert(rows: str, run_at: str) -> str:
    """Return the INSERT of `rows`, whose times and state follow from `run_at`."""
    following = f"""coalesce({run_at}, now()), coalesce({run_at}, now()),
        CASE WHEN {run_at} > now() THEN 'pending' ELSE 'published' END,
        CASE WHEN {run_at} > now() THEN NULL ELSE clock_timestamp() END, %(context)s::jsonb"""
    return f"""
        INSERT INTO jobs_job ({", ".join(COLUMNS)}, due_at, publish_at, state, published_at, context)
        {rows.format(following=following)}
        ON CONFLICT (key) WHERE key IS NOT NULL DO NOTHING
        RETURNING id, task, queue, published_at
    """


INSERT_MANY = _insert(
    f"SELECT {', '.join(COLUMNS)}, {{following}} "  # noqa: S608  constants
    f"FROM unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in GIVEN.items())}) AS new ({', '.join(GIVEN)})",
    "run_at",
)
# Plain values are planned in half the time.
INSERT_ONE = _insert(
    f"VALUES ({', '.join(f'%({name})s::{kind}' for name, kind in COLUMNS.items())}, {{following}})",
    "%(run_at)s::timestamptz",
)


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

    def row(self) -> tuple[Any, ...]:
        args, kwargs = encoded(self.task, self.args, self.kwargs)
        return (uuid7(), self.task, args, kwargs, self.queue, self.max_attempts, self.key, self.concurrency_key, self.when_busy,
                self.batch_id, self.not_after, self.run_at)  # fmt: skip


def enqueue(call: Call) -> Job:
    """Write one job and return it; with a `key` that exists, return the job that has it.

    1. the row is written in the caller's transaction (rolled back with it), and says `published` already;
    2. after commit its message is sent.
    Death between the two: the reconciler finds no message of it, and the relay publishes it. Redis away: the row is pending,
    and the relay publishes it as soon as Redis is back.
    """
    while True:
        inserted = insert([call])
        if inserted:
            known = {
                "id": inserted[0],
                "task": call.task,
                "queue": call.queue,
            }  # the rest is read when asked for
            return Job.from_db(connection.alias, list(known), list(known.values()))
        existing = Job.objects.filter(key=call.key).first()
        if existing is not None:  # another enqueue of the same key won: its job is the answer
            return existing
        # The job with that key was pruned between the two statements: now the key is free.


def enqueue_many(calls: Iterable[Call]) -> int:
    """Write any number of jobs, streamed in chunks; return how many were new (a `key` that exists is left alone).

    Within a transaction all of them appear together, else chunk by chunk. Each chunk is one INSERT, and one command to Redis for
    each queue.
    """
    return sum(len(insert(chunk)) for chunk in _chunks(calls))


def insert(calls: Sequence[Call]) -> list[uuid.UUID]:
    """Insert rows, arrange their publishing after commit, return the ids of those that were new."""
    ledger.identity()  # known before the commit: nothing after it may fail for want of it
    rows = [call.row() for call in calls]
    statement, values = (
        (INSERT_ONE, rows[0]) if len(rows) == 1 else (INSERT_MANY, map(list, zip(*rows, strict=True)))
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, dict(zip(GIVEN, values, strict=True)) | {"context": context.current()})
        new = cursor.fetchall()
    due = [claim for row in new if (claim := Claim(*row)).published_at]
    if due:
        transaction.on_commit(partial(publish_committed, due, time.monotonic()))
    return [row[0] for row in new]


def _chunks(calls: Iterable[Call]) -> Iterator[list[Call]]:
    iterator = iter(calls)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk
