"""The reconciler: in every worker, compares the ledger with the world, and mends.

It needs no singleton: every mend is a compare-and-set.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from django.db import connection

from jobs import broker, guard
from jobs.conf import conf

logger = logging.getLogger(__name__)

OLDEST_PUBLISHED = "SELECT queue, min(published_at) FROM jobs_job WHERE state = 'published' GROUP BY queue"
LOST_MESSAGES = """
    UPDATE jobs_job SET state = 'pending', publish_at = now(), reason = 'published again: its message was lost'
    WHERE id IN (
        SELECT id FROM jobs_job WHERE state = 'published' AND queue = %s
            AND published_at < least(%s::timestamptz, now()) - make_interval(secs => %s)
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""


def republish_lost_messages() -> int:
    """Make published jobs due again whose messages are gone; return how many.

    Redis hands messages out in order. A published job that was not started and is older than the oldest message still waiting in
    its queue was popped and lost (BRPOP and the transport's bookkeeping are not atomic). No guessing by time alone: behind a long
    backlog nothing is published twice. Raises redis.RedisError while Redis is away.
    """
    with connection.cursor() as cursor:
        cursor.execute(OLDEST_PUBLISHED)
        return sum(_republish(queue) for queue, _ in cursor.fetchall())


def _republish(queue: str) -> int:
    oldest = broker.oldest_published_at(queue)
    bound = datetime.fromtimestamp(oldest, UTC) if oldest is not None else None
    with connection.cursor() as cursor:
        cursor.execute(LOST_MESSAGES, [queue, bound, conf().lost_message_after])
        lost = cursor.rowcount
    if lost:
        logger.warning(
            "%d messages of queue %s were lost",
            lost,
            queue,
            extra={"action": "messages_lost", "queue": queue},
        )
    return lost


EXPIRING = """
    SELECT id FROM jobs_job WHERE state IN ('pending', 'published') AND not_after <= now() LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED
"""


def expire_late_jobs() -> int:
    """End jobs that were not started before their `not_after`; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(EXPIRING)
        return sum(guard.expire(row[0]) for row in cursor.fetchall())
