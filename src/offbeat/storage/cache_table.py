"""The table of Django's cache: made with the migrations, since no migration of Django's makes it."""

from __future__ import annotations

from typing import Any


def create_cache_table(*, using: str, **_: Any) -> None:
    """Make the table of each cache in CACHES that is one in the database; one that is there stays as it is."""
    from django.core.management import call_command  # noqa: PLC0415  a worker's start is spared it

    call_command("createcachetable", database=using, verbosity=0)
