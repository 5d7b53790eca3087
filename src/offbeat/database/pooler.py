"""A pooler before PostgreSQL. In transaction mode the next statement may be another session's, which does not know our cursors."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db.backends.signals import connection_created

SETTING = "DISABLE_SERVER_SIDE_CURSORS"  # Django's own, of a database

_pooled: dict[tuple[object, object], bool] = {}  # by address: asked once in a process


def is_pooled(connection: Any) -> bool:
    """Return whether a pooler, in whatever mode, is at the other end of an open connection.

    PostgreSQL says at once which process of its own serves a connection. A pooler, which has none yet, makes up a number.
    """
    address = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    if address not in _pooled:
        psycopg = connection.connection
        (pid,) = psycopg.execute("SELECT pg_backend_pid()").fetchone()
        _pooled[address] = pid != psycopg.info.backend_pid
    return _pooled[address]


def spare_server_side_cursors(connection: Any, **_: Any) -> None:
    """Have `.iterator()` fetch its rows at once where a pooler is seen; the setting, true or false, decides where it is given."""
    if (
        connection.vendor == "postgresql"
        and connection.settings_dict.get(SETTING) is None
        and is_pooled(connection)
    ):
        connection.create_cursor = partial(plain_cursor, connection)


def plain_cursor(connection: Any, name: str | None = None) -> Any:
    """Give a cursor without a name, which is the client's alone."""
    return type(connection).create_cursor(connection)


def connect() -> None:
    # Not at the first `.iterator()`, which may be the first query of its process: Django has read the setting by then.
    connection_created.connect(spare_server_side_cursors)
