"""What leaves a process with one message, and what is a bug and keeps its traceback."""

from __future__ import annotations

import os

import django.db
import kombu.exceptions
import pytest

from offbeat.boot import clear_errors


def test_a_database_that_is_away(capsys):
    """An error of Django's database ends the process with 69 (EX_UNAVAILABLE) and the first line of what it said."""
    with pytest.raises(SystemExit) as left, clear_errors():
        raise django.db.OperationalError("no route\nto host")

    assert left.value.code == os.EX_UNAVAILABLE
    assert capsys.readouterr().err.startswith("Error: DATABASE_URL (PostgreSQL at ")


def test_another_librarys_error_is_not_the_databases():
    """Kombu has an OperationalError too: a Redis that is away is not blamed on PostgreSQL."""
    with pytest.raises(kombu.exceptions.OperationalError, match="redis is away"), clear_errors():
        raise kombu.exceptions.OperationalError("redis is away")
