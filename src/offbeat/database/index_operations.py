"""Indexes that a migration builds beside running traffic, and that may be begun again after a release that was interrupted."""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently

STATE = """
    SELECT indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE relname = %s AND pg_table_is_visible(pg_class.oid)
"""


class BuildIndex(AddIndexConcurrently):
    """Django's AddIndexConcurrently, safe to run again: for a migration with `atomic = False`.

    A build that was interrupted leaves an index that is written and never read (INVALID): it is removed, and built anew. One that
    is whole is kept, because the release may have died between the build and the note that says so.
    """

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        if schema_editor.collect_sql or not self._is_there(schema_editor):
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def _is_there(self, schema_editor: Any) -> bool:
        """Tell whether the index is there and whole; remove it where it is not."""
        name = self.index.name
        with schema_editor.connection.cursor() as cursor:
            cursor.execute(STATE, [name])
            row = cursor.fetchone()
            if row and not row[0]:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema_editor.quote_name(name)}")
        return bool(row and row[0])
