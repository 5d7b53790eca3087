"""One statement to the ledger's database, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Values = Sequence[Any] | Mapping[str, Any] | None


def execute(statement: str, values: Values = None) -> int:
    """Return how many rows the statement found or changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.rowcount


def fetch_all(statement: str, values: Values = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def fetch_one(statement: str, values: Values = None) -> Any:
    """Return the first row, None where there is none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()
