"""The relay: publishes pending jobs. It runs inline after a commit (the fast path) and once a second in every worker.

1. claim: due rows get `publish_at = now + publish_lease`, skipping rows that another relay holds; commit;
2. publish: all of them to Redis in one round trip;
3. mark: `published`, where the row is still pending and of the same attempt.

Death between 1 and 2: nobody published; after the lease the next relay does. Death between 2 and 3: the message is published once
more under the same id, and the guard drops the second. In no case is a job lost, or run twice.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection

from jobs import broker
from jobs.conf import conf
from jobs.message import job_message

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A pending row that is ours to publish until its lease ends."""

    id: uuid.UUID
    task: str
    queue: str
    attempt: int
    claimed_at: datetime  # the database's clock; never later than what the row says of its publishing


CLAIM = """
    UPDATE jobs_job SET publish_at = now() + make_interval(secs => %s)
    WHERE id IN (
        SELECT id FROM jobs_job WHERE state = 'pending' AND publish_at <= now()
        ORDER BY publish_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
    RETURNING id, task, queue, attempt, now()
"""
# Losing a mark in a database crash publishes the message once more, so it need not wait for the disk.
MARK = """
    SET LOCAL synchronous_commit = off;
    UPDATE jobs_job SET state = 'published', published_at = clock_timestamp()
    FROM unnest(%s::uuid[], %s::int[]) AS claim (id, attempt)
    WHERE jobs_job.id = claim.id AND jobs_job.attempt = claim.attempt AND state = 'pending'
"""
# The same for one: planning a join takes longer than the update.
MARK_ONE = """
    SET LOCAL synchronous_commit = off;
    UPDATE jobs_job SET state = 'published', published_at = clock_timestamp()
    WHERE id = %s AND attempt = %s AND state = 'pending'
"""
UNCLAIM = (
    "UPDATE jobs_job SET publish_at = now() WHERE id = ANY(%s) AND state = 'pending' AND publish_at > due_at"
)


CLAIM_ONE = """
    UPDATE jobs_job SET publish_at = now() + make_interval(secs => %s)
    WHERE id = %s AND state = 'pending' AND publish_at <= now()
    RETURNING id, task, queue, attempt, now()
"""


def relay() -> int:
    """Publish every pending job that is due; return how many. Raises BrokerAwayError; what was claimed is due again."""
    total = 0
    while claims := claim():
        publish(claims)
        total += len(claims)
        if len(claims) < conf().relay_batch:
            break
    return total


def claim() -> list[Claim]:
    return _claim(CLAIM, conf().relay_batch)


def _claim(statement: str, which: int | uuid.UUID) -> list[Claim]:
    with connection.cursor() as cursor:
        cursor.execute(statement, [conf().publish_lease, which])
        return [Claim(*row) for row in cursor.fetchall()]


def publish(claims: Sequence[Claim]) -> None:
    """Publish claimed rows and mark them; while Redis is away, leave them due at once."""
    messages = defaultdict(list)
    for one in claims:
        messages[one.queue].append(job_message(str(one.id), one.task, one.queue, one.claimed_at))
    try:
        broker.publish(messages)
    except broker.BrokerAwayError:
        give_back(claims)
        raise
    mark(claims)


def mark(claims: Sequence[Claim]) -> None:
    with connection.cursor() as cursor:
        if len(claims) == 1:
            cursor.execute(MARK_ONE, [claims[0].id, claims[0].attempt])
        else:
            cursor.execute(MARK, [[one.id for one in claims], [one.attempt for one in claims]])


def give_back(claims: Sequence[Claim]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(UNCLAIM, [[one.id for one in claims]])


def publish_job(job_id: uuid.UUID) -> None:
    """Publish one job that is due, now, without waiting for the relay's turn."""
    publish_after_commit(_claim(CLAIM_ONE, job_id))


def publish_after_commit(claims: Sequence[Claim]) -> None:
    """Publish what a transaction of this process has just committed. Redis away is no error: the rows wait for the relay."""
    if not claims:
        return
    try:
        publish(claims)
    except broker.BrokerAwayError as error:
        logger.warning("%d jobs wait for Redis: %s", len(claims), error, extra={"action": "publish_deferred"})
