"""The broker's epoch: a random token in Redis and in PostgreSQL, changed at each look. Gone or different = Redis lost what it held.

Because it changes at each look, a restored backup is noticed too: it holds the token of an earlier look.
"""

from __future__ import annotations

import logging
import secrets
from typing import cast

from django.db import connection, transaction

from jobs import broker
from jobs.models import Broker

logger = logging.getLogger(__name__)

TOKEN = "jobs:epoch"  # noqa: S105  the name of a Redis key, no secret
REPUBLISH = """
    UPDATE jobs_job SET state = 'pending', publish_at = now(), reason = 'published again: Redis lost its data'
    WHERE id IN (SELECT id FROM jobs_job WHERE state = 'published' FOR NO KEY UPDATE SKIP LOCKED)
"""  # a row that somebody holds has no message either, which the reconciler sees


def check() -> int:
    """Compare the tokens; when Redis lost its data, make every published job due again; return how many.

    1. lock the row in PostgreSQL: one worker at a time looks, the others pass;
    2. exchange the token in Redis for a new one, in one command: what Redis loses later is noticed at the next look;
    3. compare; where they differ, published jobs become pending; write the new token to PostgreSQL, and commit.
    Death between 2 and 3: the tokens differ at the next look, and messages are published once more: the guard drops the
    second ones. Raises redis.RedisError while Redis is away.
    """
    Broker.objects.get_or_create(pk=1)
    with transaction.atomic():
        row = Broker.objects.select_for_update(skip_locked=True).filter(pk=1).first()
        if row is None:  # another worker is looking
            return 0
        before, row.epoch = row.epoch, secrets.token_hex(16)
        found = _exchange(row.epoch)
        # Before the first look nobody knows what Redis may have lost: then, too, publish again.
        lost = 0 if before and before == found else _republish(known=bool(before))
        row.save(update_fields=["epoch"])
    return lost


def _exchange(token: str) -> str:
    value = cast("bytes | None", broker.client().set(broker.key(TOKEN), token, get=True))
    return value.decode() if value else ""


def _republish(*, known: bool) -> int:
    with connection.cursor() as cursor:
        cursor.execute(REPUBLISH)
        lost = cursor.rowcount
    if lost:
        why = "Redis lost its data" if known else "nobody has looked at this Redis before"
        logger.warning(
            "%s: %d jobs are published again", why, lost, extra={"action": "epoch_changed", "jobs": lost}
        )
    return lost
