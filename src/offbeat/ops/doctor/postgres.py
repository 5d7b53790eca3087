"""PostgreSQL: there, new enough, migrated, with connections for everybody, and its clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.db import connection

from offbeat.database.lock_holders import find_oldest_reader
from offbeat.database.pooler import SETTING, is_pooled
from offbeat.deployment import budget, spec
from offbeat.deployment.rules import OLDEST_POSTGRES
from offbeat.deployment.servers import postgres_address
from offbeat.missing_migration import missing_migrations
from offbeat.ops.doctor.findings import Finding, graded, green, red, yellow
from offbeat.ops.doctor.support import support, today

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = 3600.0  # seconds: a dump of a large database may take as long


def ask(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone()
    return row[0] if len(row) == 1 else row


def reachable() -> Iterator[Finding]:
    begun = time.perf_counter()
    ask("SELECT 1")
    took = time.perf_counter() - begun
    yield graded(
        "PostgreSQL",
        f"{postgres_address()} answers in {took * 1000:.0f} ms",
        is_red=False,
        is_yellow=took > 0.25,
        advice="put it into the same region: every job makes five queries",
    )


def version() -> Iterator[Finding]:
    found = int(ask("SELECT current_setting('server_version_num')::int"))
    major, minor = divmod(found, 10000)
    if major < OLDEST_POSTGRES:
        yield red(
            "PostgreSQL version",
            f"{major}.{minor}",
            f"{OLDEST_POSTGRES} or newer: upgrade it on the platform",
        )
    else:
        yield support("PostgreSQL", str(major), today(), f"{major}.{minor}")


def migrations() -> Iterator[Finding]:
    if missing := missing_migrations():
        names = ", ".join(f"{each.app_label}.{each.name}" for each in missing[:3])
        yield red("migrations", f"{len(missing)} are missing: {names}", "python manage.py release")
    else:
        yield green("migrations", "all are applied")


def connections() -> Iterator[Finding]:
    allowed, used = ask(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int, "
        "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
    needed = demanded("postgres")
    yield graded(
        "connections",
        f"{used} of {allowed} are open; the services of platform.yaml may open {needed}",
        is_red=used >= allowed - 2,
        is_yellow=needed > allowed,
        advice="lower WEB_CONCURRENCY, WEB_THREADS, WORKER_CONCURRENCY or instances; or choose a larger plan",
    )


def demanded(server: str) -> int:
    """Return how many connections the services of platform.yaml may open; 0 where the file cannot be read."""
    try:
        return sum(getattr(each, server) for each in budget.demands(spec.read()))
    except spec.PlatformError:
        return 0


def pooler() -> Iterator[Finding]:
    """Look whether one backend serves two of our connections, as it does behind a pooler in transaction mode."""
    first = ask("SELECT pg_backend_pid()")
    second = connection.copy("doctor")
    try:
        with second.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            shared = cursor.fetchone()[0] == first
    finally:
        second.close()
    if not shared:
        yield green("pooler", "in session mode" if is_pooled(connection) else "none")
    elif connection.settings_dict.get(SETTING) is False:
        advice = f"remove {SETTING}=false: .iterator() fails as soon as two processes work"
        yield red("pooler", "in transaction mode, with server-side cursors", advice)
    else:
        yield green("pooler", "in transaction mode; .iterator() fetches all rows at once")


def transactions() -> Iterator[Finding]:
    """Look for one that is never ended: what jobs have left behind stays in the indexes, and all statements read it."""
    with connection.cursor() as cursor:
        oldest = find_oldest_reader(cursor, OLD)
    if oldest is None:
        yield green("transactions", "none has been open for an hour")
        return
    found = f"one has been open for {oldest.seconds / 3600:.1f} hours: {oldest}"
    yield yellow(
        "transactions", found, f"VACUUM removes nothing meanwhile, and jobs become slower; {oldest.cure}"
    )


def clock() -> Iterator[Finding]:
    found = ask("SELECT clock_timestamp()")
    off = (datetime.now(UTC) - found).total_seconds()
    yield graded(
        "clock",
        f"{abs(off):.1f} s {'ahead of' if off > 0 else 'behind'} PostgreSQL's, which decides",
        is_red=abs(off) > 60,
        is_yellow=abs(off) > 5,
        advice="set this machine's clock: logs, TLS and signed links use it",
    )
