"""A clock that only the test moves: that of Django, `timezone.now()`, and that of PostgreSQL, by which ledger and slots go."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Self
from unittest import mock

from django.db import DatabaseError, connection
from django.db.backends.signals import connection_created
from django.utils import timezone

if TYPE_CHECKING:
    from types import TracebackType

# PostgreSQL looks functions up along the search_path, and its own stand last there only where they are named last.
FUNCTIONS = ("now", "clock_timestamp", "statement_timestamp", "transaction_timestamp")
SCHEMA = "offbeat_clock"
MAKE = f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};" + "".join(
    f"CREATE OR REPLACE FUNCTION {SCHEMA}.{name}() RETURNS timestamptz LANGUAGE sql STABLE"
    " AS $$ SELECT current_setting('offbeat.now')::timestamptz $$;"
    for name in FUNCTIONS
)
FREEZE = f"""
    SELECT set_config('offbeat.now', %s, false), set_config('search_path', CASE
        WHEN current_setting('search_path') LIKE '%%{SCHEMA}%%' THEN current_setting('search_path')
        ELSE current_setting('search_path') || ', {SCHEMA}, pg_catalog' END, false)
"""
RELEASE = f"""
    SELECT set_config('search_path', replace(current_setting('search_path'), ', {SCHEMA}, pg_catalog', ''), false)
"""


class FrozenClock:
    """Inside the `with` block it is the moment when the block began, until one of these methods moves it.

    What asks the machine itself goes on: `datetime.now()`, `time.time()`, CURRENT_TIMESTAMP in SQL of your own, and every other
    process, such as a worker.
    """

    def __init__(self) -> None:
        self.now: datetime = timezone.now()

    def move(self, **by: float) -> datetime:
        """Move on, or back: `move(days=1, hours=2)`, with the words of timedelta. Return the new time."""
        return self.move_to(self.now + timedelta(**by))

    def move_to(self, moment: datetime | str) -> datetime:
        """Move to a moment, a datetime or a text like "2026-11-26 09:00"; one without a zone is in TIME_ZONE. Return it."""
        moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        self.now = timezone.make_aware(moment) if timezone.is_naive(moment) else moment
        self._freeze(connection)
        return self.now

    def __enter__(self) -> Self:
        clock = self

        class StandingDatetime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> Any:
                return clock.now.astimezone(tz) if tz else clock.now.astimezone().replace(tzinfo=None)

        self._patch = mock.patch.object(timezone, "datetime", StandingDatetime)
        self._patch.start()
        with connection.cursor() as cursor:
            cursor.execute(MAKE)
        self._freeze(connection)
        connection_created.connect(self._freeze_new)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection_created.disconnect(self._freeze_new)
        self._patch.stop()
        # A transaction that has failed is rolled back by the test, and with it all that was set in it.
        with contextlib.suppress(DatabaseError), connection.cursor() as cursor:
            cursor.execute(RELEASE)
            cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")

    def _freeze_new(self, connection: Any, **_: Any) -> None:
        if connection.alias == "default":
            self._freeze(connection)

    def _freeze(self, of: Any) -> None:
        with of.cursor() as cursor:
            cursor.execute(FREEZE, [self.now.isoformat()])
