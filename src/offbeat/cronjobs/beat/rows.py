"""The rows of django-celery-beat, of its tables or of a dump of them; it need not be installed, and may be of any version."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import current_app
from django.core.management.base import CommandError
from django.db import connection

from offbeat.cronjobs.beat.entries import BeatEntry, FoundEntry
from offbeat.cronjobs.beat.periodic_task import read_row
from offbeat.cronjobs.beat.refusals import described

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Rows = dict[str, dict[Any, dict[str, Any]]]  # by model and primary key

APP = "django_celery_beat"
ENTRY = "periodictask"
SCHEDULES = {
    "interval": "intervalschedule",
    "crontab": "crontabschedule",
    "solar": "solarschedule",
    "clocked": "clockedschedule",
}


def in_tables() -> Rows:
    """Return what the database has; raises what it raises."""
    tables = connection.introspection.table_names()
    return {
        model: dict(_rows(f"{APP}_{model}"))
        for model in (ENTRY, *SCHEDULES.values())
        if f"{APP}_{model}" in tables
    }


def _rows(table: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608  a name of ours
        names = [column.name for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for number, row in enumerate(rows):
        yield row.get("id", number), row


def in_dump(path: Path) -> Rows:
    """Return what `manage.py dumpdata django_celery_beat` has written. Raises CommandError."""
    try:
        objects = json.loads(path.read_text())
    except OSError as error:
        raise CommandError(f"--rows: {path}: {error.strerror}", returncode=os.EX_NOINPUT) from None
    except ValueError as error:
        raise CommandError(f"--rows: {path}: should be JSON: {error}", returncode=os.EX_DATAERR) from None
    rows: Rows = {}
    try:
        for each in objects:
            app, _, model = each["model"].partition(".")
            if app == APP:
                rows.setdefault(model, {})[each["pk"]] = each["fields"]
    except (TypeError, KeyError, AttributeError) as error:
        why = f"should be what dumpdata django_celery_beat prints ({described(error)})"
        raise CommandError(f"--rows: {path}: {why}", returncode=os.EX_DATAERR) from None
    return rows


def found_rows(rows: Rows) -> list[FoundEntry]:
    """Return the entries of these rows, by their names."""
    entries = sorted(rows.get(ENTRY, {}).values(), key=lambda row: str(row.get("name")))
    return [FoundEntry(str(row.get("name")), APP, row, partial(_read, row, rows)) for row in entries]


def _read(row: dict[str, Any], rows: Rows) -> BeatEntry:
    for kind, model in SCHEDULES.items():  # the first one counts, as for Beat
        key = row.get(f"{kind}_id", row.get(kind))
        if key is not None:
            return read_row(row, kind, rows.get(model, {}).get(key), current_app._get_current_object())  # noqa: SLF001
    return read_row(row, "", None, current_app._get_current_object())  # noqa: SLF001
