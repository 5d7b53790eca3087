"""What is said where a table or a column is not there because its migration has not run yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.db import connection
from psycopg.errors import UndefinedColumn, UndefinedTable

from offbeat.redaction import first_line

if TYPE_CHECKING:
    from types import TracebackType

    from django.db.migrations import Migration

UNMIGRATED = (UndefinedTable, UndefinedColumn)
BY_RUN = "VARIABLES_OF_ENV_FILE"  # set, if only to "", by every task of ./run: offbeat.dev.local_variables


def unmigrated_text() -> str:
    """Say it with the command that helps: on a developer's machine ./run up migrates, elsewhere the release."""
    command = (
        "./run up, or ./run manage migrate while it runs"
        if BY_RUN in os.environ
        else "python manage.py release"
    )
    return f"the database is not migrated: run {command}"


def missing_migrations() -> list[Migration]:
    """Return those that are still to be applied, in their order."""
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415  no wake-up pays for it

    executor = MigrationExecutor(connection)
    return [each for each, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]


def explain_missing_migration(error: BaseException) -> str:
    """Return what to print in place of the traceback; "" where the error has another cause: a bug, or a migration's own."""
    if not isinstance(error.__cause__, UNMIGRATED) or _is_of_migration(error.__traceback__):
        return ""
    connection.close()  # it may be inside the transaction that failed
    return f"{unmigrated_text()} ({first_line(error)})" if missing_migrations() else ""


def _is_of_migration(frames: TracebackType | None) -> bool:
    while frames:
        if frames.tb_frame.f_globals.get("__name__", "").startswith("django.db.migrations."):
            return True
        frames = frames.tb_next
    return False
