"""What the ops pages and logins leave behind, deleted with finished jobs: sessions that have ended, attempts that are forgiven."""

from __future__ import annotations

import logging
from importlib import import_module

from django.conf import settings
from django.utils import timezone

from offbeat.ops.logins import brake

logger = logging.getLogger(__name__)

CHUNK = 1_000  # rows a DELETE: short transactions leave autovacuum and everybody else alone


def prune() -> None:
    sessions = clear_sessions()
    # Until none is left: PostgreSQL may run the LIMIT of a DELETE more than once, so a chunk is not always that many rows.
    while brake.prune(CHUNK):
        pass
    logger.info("deleted %d ended sessions", sessions, extra={"action": "sessions_pruned"})


def clear_sessions() -> int:
    """Delete sessions that have ended, chunk by chunk; where they are not in the database, leave it to their own store."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        store.clear_expired()
        return 0
    rows, total = store.get_model_class().objects, 0
    while ended := list(rows.filter(expire_date__lt=timezone.now()).values_list("pk", flat=True)[:CHUNK]):
        total += rows.filter(pk__in=ended).delete()[0]
    return total
