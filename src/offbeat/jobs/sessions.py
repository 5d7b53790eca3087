"""Sessions of PostgreSQL: whose they are, and their end with the process that opened them.

A session outlives its process where a machine stands still, and where a statement waits while its process is killed: PostgreSQL
looks at the connection only between statements. So every process of a worker names its sessions, and others can end them.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import Error as DatabaseFailure
from django.db import ProgrammingError, connections

from offbeat.jobs import sql

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

NAME = "offbeat {worker} {pid}"  # 63 characters at most; poolers pass it on
ENDING = 5_000  # milliseconds in which a session has to end: it takes one, unless the server is very busy


def is_ours(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether it leads to PostgreSQL: a project may have another database beside."""
    return connection.vendor == "postgresql"


def is_connected(connection: BaseDatabaseWrapper) -> bool:
    return connection.connection is not None and not (is_ours(connection) and connection.connection.closed)


def name_sessions(worker: uuid.UUID, pid: int) -> None:
    """Name the sessions that this process opens from now on, after its worker and its pid."""
    for each in connections.all():
        if is_ours(each):
            own = NAME.format(worker=worker, pid=pid)
            each.settings_dict.setdefault("OPTIONS", {})["application_name"] = own
            keep_whole(each)


def keep_whole(connection: BaseDatabaseWrapper) -> None:
    """Leave no session half prepared where a soft limit interrupts that: its statements would begin transactions unasked."""
    if "connect" in vars(connection):
        return
    connect = connection.connect

    def connect_or_close() -> None:
        try:
            connect()
        except SoftTimeLimitExceeded:
            connection.close()
            raise

    connection.connect = connect_or_close  # type: ignore[method-assign]


END = """
    SELECT coalesce(bool_or(wait_event_type = 'Lock'), false), count(*),
        coalesce(bool_and(pg_terminate_backend(pid, %s)), true)
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND state <> 'idle' AND {whose}
"""  # idle ones hold nothing, and a pooler may have handed them to somebody else
OF_A_PROCESS = END.format(whose="application_name = %s")
OF_CHILDREN = END.format(whose="application_name LIKE %s AND application_name <> %s")
OF_THE_LOST = END.format(
    whose="""EXISTS (
        SELECT FROM unnest(%s::uuid[]) AS lost (id) WHERE application_name LIKE format('offbeat %%s %%%%', id)
            AND NOT EXISTS (SELECT FROM offbeat_jobs_worker WHERE offbeat_jobs_worker.id = lost.id)
    )"""
)


def end_process(worker: uuid.UUID, pid: int) -> bool:
    """End what a process that has died has left running; tell whether it waited for a lock."""
    return _end(OF_A_PROCESS, NAME.format(worker=worker, pid=pid))[0]


def end_children(worker: uuid.UUID, pid: int) -> None:
    """End what the children of a worker have left running, whose main process has this pid."""
    _end(OF_CHILDREN, NAME.format(worker=worker, pid="%"), NAME.format(worker=worker, pid=pid))


def end_lost(workers: Sequence[uuid.UUID]) -> None:
    """End the sessions of workers that are lost, but of those that have beaten meanwhile: their locks keep others waiting."""
    if ended := _end(OF_THE_LOST, list(workers))[1]:
        logger.warning(
            "%d sessions of lost workers are ended",
            ended,
            extra={"action": "sessions_ended", "sessions": ended},
        )


def _end(statement: str, *whose: Any) -> tuple[bool, int]:
    """Return whether one of them waited for a lock, and how many there were."""
    try:
        waited, count, gone = sql.fetch_one(statement, [ENDING, *whose])
    except ProgrammingError as error:  # insufficient privilege
        _report_once(f"{error}".strip())
        return False, 0
    if not gone:
        logger.warning("a session did not end within %d ms", ENDING, extra={"action": "session_stays"})
    return waited, count


_reported: set[str] = set()


def _report_once(line: str) -> None:
    if line not in _reported:
        _reported.add(line)
        logger.warning(
            "sessions of dead processes cannot be ended: %s. Hint: GRANT EXECUTE ON FUNCTION pg_terminate_backend(int, bigint) "
            "TO the role of DATABASE_URL",
            line,
            extra={"action": "sessions_not_ended"},
        )


AT_WORK = """
    SELECT coalesce(wait_event_type = 'Lock', false) FROM pg_stat_activity
    WHERE application_name = %s AND state <> 'idle'
"""
RUNNING = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = %s AND state = 'active'"
TERMINATE = """
    SELECT pg_terminate_backend(activity.pid, %s) FROM pg_stat_activity AS activity
    JOIN unnest(%s::int[], %s::timestamptz[]) AS found (pid, query_start) USING (pid, query_start)
    WHERE application_name = %s AND state = 'active'
"""


def waits_for_lock(connection: BaseDatabaseWrapper) -> bool:
    """Tell whether PostgreSQL waits for a lock for whoever has this connection."""
    return any(row[0] for row in _ask_beside(connection, AT_WORK, _name(connection)))


def end_statement(connection: BaseDatabaseWrapper, is_still_there: Callable[[], bool]) -> None:
    """End the session that runs a statement, if its owner still waits for it then, and no later statement."""
    found = _ask_beside(connection, RUNNING, _name(connection))
    if found and is_still_there():
        pids, begun = (list(column) for column in zip(*found, strict=True))
        _ask_beside(connection, TERMINATE, ENDING, pids, begun, _name(connection))


# Hundreds of lanes may be interrupted at once, and each has a session already.
_asking = threading.BoundedSemaphore(4)


def _ask_beside(connection: BaseDatabaseWrapper, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Ask through a short second session, as the first is busy. PostgreSQL down, or not permitted: nothing is known."""
    aside = connection.copy()
    aside.settings_dict["OPTIONS"]["application_name"] = "offbeat"
    with _asking:
        try:
            with aside.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall())
        except DatabaseFailure:
            return []
        finally:
            aside.close()


def _name(connection: BaseDatabaseWrapper) -> str:
    return str(connection.settings_dict.get("OPTIONS", {}).get("application_name"))


def abandon(connection: BaseDatabaseWrapper) -> bool:
    """End the statement that this process has sent, and that a time limit interrupts; tell whether it waited for a lock.

    Left alone it would have its effect when the lock is free, long after the attempt. Asked through a short second session, as the
    first is busy; close that one afterwards. PostgreSQL down: no.
    """
    own = _name(connection)
    if not own.startswith(NAME.partition(" ")[0] + " "):  # no process of a worker
        return False
    rows = _ask_beside(connection, OF_A_PROCESS, ENDING, own)
    return bool(rows and rows[0][0])
