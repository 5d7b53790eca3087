"""Retention of slots: safe at any time, because the cursor says what is decided, not the rows."""

from __future__ import annotations

from django.db import connection

from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.history import STRIP

PRUNE = """
    DELETE FROM offbeat_cronjobs_slot WHERE decided_at < now() - make_interval(days => %s) AND id NOT IN (
        SELECT newest.id FROM offbeat_cronjobs_cronjob cronjob CROSS JOIN LATERAL (
            SELECT id FROM offbeat_cronjobs_slot WHERE cronjob_id = cronjob.name ORDER BY slot DESC LIMIT %s
        ) newest
    )
"""


def prune(days: int | None = None) -> int:
    """Delete slots decided more than `days` ago (the setting `retention_days`), but for the newest thirty; return how many."""
    age = int(conf().retention_days) if days is None else days
    with connection.cursor() as cursor:
        cursor.execute(PRUNE, [age, STRIP])
        return cursor.rowcount
