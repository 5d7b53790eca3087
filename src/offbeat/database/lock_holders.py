"""Who holds a lock in PostgreSQL that somebody waits for: named so that a person can find it, and end it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import OperationalError

if TYPE_CHECKING:
    from datetime import datetime

# Where roles differ, PostgreSQL shows of another's session no more than that it is there.
HOLDER = """
    {0}.pid, coalesce({0}.application_name, ''), coalesce(host({0}.client_addr), ''), coalesce({0}.state, ''),
    coalesce({0}.xact_start, {0}.state_change),
    coalesce(extract(epoch FROM clock_timestamp() - coalesce({0}.xact_start, {0}.state_change)), 0)
"""
SESSION = f"""
    SELECT {HOLDER.format("pg_stat_activity")} FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE granted AND pid <> pg_backend_pid() AND {{condition}}
    ORDER BY {{order}} xact_start NULLS LAST LIMIT 1
"""  # noqa: S608  constants
OF_THIS_DATABASE = "pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
ADVISORY = SESSION.format(
    condition=f"locktype = 'advisory' AND {OF_THIS_DATABASE} AND classid = 0 AND objid = %s AND objsubid = 1",
    order="",
)
# Who only reads is in nobody's way, and who waits for a lock of its own only where others queue up behind it.
TABLES = f"""
    SELECT {HOLDER.format("pg_stat_activity")} FROM pg_stat_activity
    WHERE pid <> pg_backend_pid() AND xact_start < clock_timestamp() - make_interval(secs => %s)
        AND pid IN (
            SELECT pid FROM pg_locks JOIN pg_class ON pg_class.oid = relation
            WHERE locktype = 'relation' AND {OF_THIS_DATABASE} AND starts_with(relname, %s)
                AND CASE WHEN granted THEN mode <> 'AccessShareLock' ELSE mode = 'AccessExclusiveLock' END)
    ORDER BY xact_start LIMIT 3
"""  # noqa: S608  constants
# A transaction that still sees what was deleted or changed since keeps VACUUM from removing it.
OLDEST = f"""
    SELECT {HOLDER.format("pg_stat_activity")} FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
        AND xact_start < clock_timestamp() - make_interval(secs => %s)
    ORDER BY xact_start LIMIT 1
"""  # noqa: S608  a constant
# The transaction that has marked the row; where that cannot be seen, the oldest that does more with the table than read it, and
# waits for no other.
ROW = SESSION.format(
    condition="(transactionid::text = %(mark)s OR relation = to_regclass(%(table)s) AND mode <> 'AccessShareLock'"
    " AND wait_event_type IS DISTINCT FROM 'Lock')",
    order="transactionid::text = %(mark)s DESC NULLS LAST,",
)

WAITS = f"""
    SELECT waiting.pid, waiting.wait_event = 'relation', {HOLDER.format("holder")}
    FROM pg_stat_activity waiting CROSS JOIN unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
        JOIN pg_stat_activity holder ON holder.pid = blocking.pid
    WHERE waiting.application_name = %s AND waiting.datname = current_database() AND waiting.wait_event_type = 'Lock'
    ORDER BY holder.xact_start NULLS LAST LIMIT 1
"""  # noqa: S608  constants


@dataclass(frozen=True)
class Holder:
    """A session of PostgreSQL that holds a lock."""

    pid: int
    application: str
    address: str
    state: str
    since: datetime | None
    seconds: float  # since then

    def __str__(self) -> str:
        """Return ``pid 4711 (psql, from 10.0.0.7, idle in transaction since 2026-11-26 08:00:02Z)``."""
        since = f" since {self.since:%Y-%m-%d %H:%M:%SZ}" if self.since else ""
        parts = (
            self.application or "no application name",
            f"from {self.address}" if self.address else "from this host",
            f"{self.state or 'state unknown'}{since}",
        )
        return f"pid {self.pid} ({', '.join(parts)})"

    @property
    def cure(self) -> str:
        return f"if it does not end: SELECT pg_terminate_backend({self.pid})"


@dataclass(frozen=True)
class Blocked:
    """A session that waits for another one."""

    pid: int
    is_for_table: bool
    holder: Holder


def find_blocked_session(cursor: Any, application: str) -> Blocked | None:
    """Return whom a session of this application name waits for; None when it waits for nobody."""
    cursor.execute(WAITS, [application])
    row = cursor.fetchone()
    return Blocked(row[0], row[1], Holder(*row[2:])) if row else None


def find_lock_holder(cursor: Any, key: int) -> Holder | None:
    """Return who holds an advisory lock of one key below 2**32; None when nobody does, any more."""
    return _find_one(cursor, ADVISORY, [key])


def find_row_holder(cursor: Any, table: str, column: str, value: object) -> Holder | None:
    """Return who holds a row, or its whole table; None when nobody does, any more. Call it outside a transaction."""
    return _find_one(cursor, ROW, {"mark": _read_mark(cursor, table, column, value), "table": table})


def find_table_holders(cursor: Any, prefix: str, seconds: float) -> list[Holder]:
    """Return the oldest transactions that hold tables, or rows of them, whose names begin so: three at most, and none younger."""
    cursor.execute(TABLES, [seconds, prefix])
    return [Holder(*row) for row in cursor.fetchall()]


def find_oldest_reader(cursor: Any, seconds: float) -> Holder | None:
    """Return the oldest transaction that keeps VACUUM from its work, None where none is so many seconds old."""
    return _find_one(cursor, OLDEST, [seconds])


def _read_mark(cursor: Any, table: str, column: str, value: object) -> str | None:
    """Return the transaction that was last to mark a row; None where the table itself is held."""
    try:
        cursor.execute("BEGIN; SET LOCAL lock_timeout = '100ms'")
        cursor.execute(f'SELECT xmax::text FROM "{table}" WHERE "{column}" = %s', [value])  # noqa: S608  our own names
        row = cursor.fetchone()
    except OperationalError:
        return None
    finally:
        cursor.execute("ROLLBACK")
    return row[0] if row else None


def _find_one(cursor: Any, statement: str, values: Any) -> Holder | None:
    cursor.execute(statement, values)
    row = cursor.fetchone()
    return Holder(*row) if row else None
