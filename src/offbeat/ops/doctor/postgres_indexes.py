"""The indexes of Offbeat's tables: one that a restore or a build has left out says nothing, and some of them keep promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.db import connection
from django.db.models import UniqueConstraint

from offbeat.missing_migration import missing_migrations
from offbeat.ops.doctor.findings import Finding, green, red

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import Model
    from django.db.models.options import Options

ADVICE = (
    "jobs may be double, or slow: remove what is double. Then REINDEX INDEX makes an invalid one anew, and what "
    "`python manage.py sqlmigrate` prints of a missing one makes that"
)
# By the columns, as a primary key or a unique field has a name that PostgreSQL or Django made up.
WHOLE = """
    SELECT index.relname, indrelid::regclass::text,
        CASE WHEN indisunique AND indnkeyatts = 1 AND indpred IS NULL THEN
            (SELECT attname FROM pg_attribute WHERE attrelid = indrelid AND attnum = indkey[0]) END
    FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid JOIN pg_class AS owner ON owner.oid = indrelid
    WHERE indisvalid AND indisready AND owner.relname = ANY (%s) AND pg_table_is_visible(owner.oid)
"""


def indexes() -> Iterator[Finding]:
    """Look for those that migrations have made, and that are missing, or INVALID: written, and never used."""
    if missing_migrations():  # which make indexes, and are told by themselves
        return
    tables = [each for each in map(_options, apps.get_models()) if each.app_label.startswith("offbeat_")]
    with connection.cursor() as cursor:
        cursor.execute(WHOLE, [[each.db_table for each in tables]])
        found = cursor.fetchall()
    names, unique = {row[0] for row in found}, {row[1:] for row in found}
    missing = sorted(
        {name for each in tables for name in _names(each)} - names | _unique_columns(tables) - unique, key=str
    )
    if missing:
        yield red(
            "indexes", f"{len(missing)} are missing or invalid: {', '.join(map(_text, missing[:3]))}", ADVICE
        )
    else:
        yield green("indexes", "all are there")


def _options(model: type[Model]) -> Options[Any]:
    return model._meta  # noqa: SLF001  which Django documents


def _names(table: Options[Any]) -> Iterator[str]:
    yield from (index.name for index in table.indexes)
    yield from (rule.name for rule in table.constraints if isinstance(rule, UniqueConstraint))


def _unique_columns(tables: Iterable[Options[Any]]) -> set[Any]:
    return {(each.db_table, field.column) for each in tables for field in each.local_fields if field.unique}


def _text(index: str | tuple[str, str]) -> str:
    return index if isinstance(index, str) else ".".join(index)
