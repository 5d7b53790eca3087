"""The reconciler: in every worker, compares the ledger with the world, and repairs it.

It needs no singleton: every repair is a compare-and-set.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from datetime import UTC, datetime

from offbeat.jobs import broker, guard, relay, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.levels import level_of

logger = logging.getLogger(__name__)

WAITING = f"{relay.PUBLISHED} SELECT queue, priority FROM waiting"  # noqa: S608  a constant
MOST = 5_000  # rows a statement: none is locked for long, and whatever bound statements have, it is kept
# From where the portion before ended: what it changed is still in the index, and each portion would pass over all of that again.
LOST_MESSAGES = """
    WITH lost AS (
        UPDATE offbeat_jobs_job SET state = 'pending', publish_at = now(), reason = 'published again: its message was lost'
        WHERE id = ANY (ARRAY(
            SELECT id FROM offbeat_jobs_job, (SELECT coalesce(%s::timestamptz, now()) AS oldest) AS waiting
            WHERE state = 'published' AND queue = %s AND priority = %s AND oldest <= now()
                AND published_at < oldest - make_interval(secs => %s) AND published_at >= %s
            ORDER BY published_at LIMIT %s FOR NO KEY UPDATE OF offbeat_jobs_job SKIP LOCKED
        )) RETURNING published_at
    ) SELECT count(*), max(published_at) FROM lost
"""


def republish_lost_messages() -> int:
    """Make published jobs due again whose messages are gone; return how many.

    Redis hands the messages of a list out in order. A published job that was not started and is older than the oldest message
    still waiting in its list was popped and lost (BRPOP and the transport's bookkeeping are not atomic). No guessing by time
    alone: behind a long backlog nothing is published twice. A message from the future tells that PostgreSQL's clock was set back:
    until that time nothing is concluded. Raises the broker's errors while it is away.

    A queue has a list for each level of priority, and a level is compared with its own list alone. However many more urgent ones
    pass by, a list that stands still keeps its oldest message, so nothing in it looks lost; and a lost one is older than that
    message, so nothing hides it. A release that spreads priorities over levels in another way, or a worker of a release without
    levels, may look into another list than the one with the message: the job gets a second message, and starts once.
    """
    levels: dict[tuple[str, int], list[int]] = defaultdict(list)
    for queue, priority in sql.fetch_all(WAITING):
        levels[queue, level_of(priority)].append(priority)
    return sum(_republish(queue, level, priorities) for (queue, level), priorities in levels.items())


def _republish(queue: str, level: int, priorities: list[int]) -> int:
    try:
        oldest = broker.oldest_published_at(queue, level)
    except broker.refused() as error:  # its key is no list: other queues must not wait for a person
        logger.error(  # noqa: TRY400
            "queue %s cannot be checked: %s",
            queue,
            error,
            extra={"action": "queue_refused", "queue": queue},
        )
        return 0
    bound = datetime.fromtimestamp(oldest, UTC) if oldest is not None else None
    if lost := sum(_republish_older(bound, queue, priority) for priority in priorities):
        logger.warning(
            "%d messages of queue %s were lost",
            lost,
            queue,
            extra={"action": "messages_lost", "queue": queue},
        )
    return lost


def _republish_older(bound: datetime | None, queue: str, priority: int) -> int:
    """Make them due, portion by portion, for half a heartbeat's interval at most; the rest has its next turn."""
    total, since, end = 0, "-infinity", time.monotonic() + conf().heartbeat_interval / 2
    while True:
        values = [bound, queue, priority, conf().lost_message_after, since, MOST]
        lost, since = sql.fetch_one(LOST_MESSAGES, values)
        total += lost
        if lost < MOST or time.monotonic() >= end:
            return total


EXPIRING = """
    SELECT id FROM offbeat_jobs_job WHERE state IN ('pending', 'published') AND not_after <= now() LIMIT 500
        FOR NO KEY UPDATE SKIP LOCKED
"""


def expire_late_jobs() -> int:
    """End jobs that were not started before their `not_after`; return how many."""
    return sum(guard.expire(job_id) for (job_id,) in sql.fetch_all(EXPIRING))
