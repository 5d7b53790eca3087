"""A command that comes before the migration of its table."""

from __future__ import annotations

import os

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.db.migrations import Migration, RunSQL
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from offbeat import missing_migration
from offbeat.boot import clear_errors

TABLE = "offbeat_jobs_job"


@pytest.fixture
def unmigrated(transactional_db):
    """The ledger's table is not there, and nor is the newest migration of its app."""
    (newest,) = MigrationLoader(connection).graph.leaf_nodes("offbeat_jobs")
    rename(TABLE, "elsewhere")
    MigrationRecorder(connection).record_unapplied(*newest)
    yield
    MigrationRecorder(connection).record_applied(*newest)
    rename("elsewhere", TABLE)


def rename(table, name):
    with connection.cursor() as cursor:  # a new one each time: a command that ends closes its connections
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


@pytest.mark.parametrize(
    ("variables", "command"),
    [
        ({}, "python manage.py release"),
        ({missing_migration.BY_RUN: ""}, "./run up, or ./run manage migrate while it runs"),
    ],
)
def test_a_command_before_its_migration_says_what_to_run(unmigrated, monkeypatch, capsys, variables, command):
    """After ./run reset, or in a new image before its release: one line, and no traceback."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as left, clear_errors():
        call_command("jobs", "list")

    assert left.value.code == os.EX_UNAVAILABLE
    assert capsys.readouterr().err == (
        f'Error: the database is not migrated: run {command} (relation "{TABLE}" does not exist)\n'
    )


def test_a_missing_table_is_a_bug_where_all_is_migrated(transactional_db):
    """The traceback is kept: no migration would help."""
    with pytest.raises(ProgrammingError), clear_errors(), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")


def test_the_error_of_a_migration_keeps_its_traceback(unmigrated):
    """It says which migration is wrong; and whoever migrates is not to be sent to migrate."""
    migration = Migration("broken", "offbeat_jobs")
    migration.operations = [RunSQL("SELECT 1 FROM nowhere")]

    with pytest.raises(ProgrammingError), clear_errors(), connection.schema_editor() as editor:
        migration.apply(ProjectState(), editor)
