"""The calls, with a psycopg connection: sync, and async under names that begin with an "a"."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from psycopg import errors

from offbeat_client.call import EnqueueError, KeyBusyError, encode_call
from offbeat_client.job import Job, read_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from uuid import UUID

    from psycopg import AsyncConnection, Connection

FIND = "SELECT offbeat_job(%s)"
REFUSALS = (
    errors.InvalidParameterValue,
    errors.FeatureNotSupported,
    errors.ObjectNotInPrerequisiteState,
    errors.UntranslatableCharacter,
)


def enqueue(
    connection: Connection[Any],
    task: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> UUID:
    """Write a job in the connection's transaction and return its id; with a `key` that exists, that of the job that has it.

    The options are those of `offbeat_enqueue`: queue, key, concurrency_key, when_busy, run_at, not_after, priority.
    Raises EnqueueError, KeyBusyError, and psycopg's own errors.
    """
    statement, values = encode_call(task, args, kwargs, **options)
    with _translated_errors(task):
        return cast("UUID", _single(connection.execute(statement, values).fetchone()))


async def aenqueue(
    connection: AsyncConnection[Any],
    task: str,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    **options: Any,
) -> UUID:
    """Do the same with an async connection."""
    statement, values = encode_call(task, args, kwargs, **options)
    with _translated_errors(task):
        return cast("UUID", _single(await (await connection.execute(statement, values)).fetchone()))


def find_job(connection: Connection[Any], job_id: UUID) -> Job | None:
    """Return the job as it is now; None where there is none: it was never committed, or has been pruned."""
    return read_job(_single(connection.execute(FIND, [job_id]).fetchone()))


async def afind_job(connection: AsyncConnection[Any], job_id: UUID) -> Job | None:
    """Do the same with an async connection."""
    return read_job(_single(await (await connection.execute(FIND, [job_id])).fetchone()))


def _single(row: Any) -> Any:
    """Return a row's only column, whatever `row_factory` the connection has."""
    return next(iter(row.values())) if isinstance(row, dict) else next(iter(row))


@contextmanager
def _translated_errors(task: str) -> Iterator[None]:
    try:
        yield
    except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
        raise KeyBusyError(f"{task}: another transaction enqueues the same key, and has not ended") from error
    except REFUSALS as error:
        hint = f" Hint: {error.diag.message_hint}" if error.diag.message_hint else ""
        raise EnqueueError(f"{error.diag.message_primary}.{hint}") from error
