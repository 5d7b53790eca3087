"""The relay: publishes jobs. It runs inline after a commit (the fast path) and once a second in every worker.

1. claim: the row says `published`, and when. `enqueue` writes a job that is due so at once; a relay takes pending rows that are
   due, skipping those that another relay holds; commit;
2. publish: those of a queue to Redis in one command. While Redis is away they are taken back: pending, due at once.

Death between 1 and 2: no message of the job is in its queue, which the reconciler sees (`jobs.reconciler`). Nothing is written
after 2, so nothing stands in the way of the worker that begins the job meanwhile. In no case is a job lost, or run twice.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connection

from jobs import broker, ledger
from jobs.conf import conf
from jobs.message import job_message

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)


class Claim(NamedTuple):
    """A row that says `published`, and whose message is ours to send; ours until the row says another time."""

    id: uuid.UUID
    task: str
    queue: str
    published_at: datetime  # the database's clock; the message carries the same time


CLAIM = """
    UPDATE jobs_job SET state = 'published', published_at = now()
    WHERE id IN (
        SELECT id FROM jobs_job WHERE state = 'pending' AND publish_at <= now()
        ORDER BY publish_at LIMIT %s FOR UPDATE SKIP LOCKED
    )
    RETURNING id, task, queue, published_at
"""
CLAIM_ONE = """
    UPDATE jobs_job SET state = 'published', published_at = now()
    WHERE id = %s AND state = 'pending' AND publish_at <= now()
    RETURNING id, task, queue, published_at
"""
# What was published before Redis lost its data; never dated back, or it would be taken again.
CLAIM_LOST = """
    UPDATE jobs_job SET published_at = greatest(now(), %(lost_at)s), reason = 'published again: Redis lost its data'
    WHERE id IN (
        SELECT id FROM jobs_job WHERE state = 'published' AND published_at < %(lost_at)s LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id, task, queue, published_at
"""
OURS = """
    FROM unnest(%s::uuid[], %s::timestamptz[]) AS claim (id, published_at)
    WHERE jobs_job.id = claim.id AND state = 'published' AND jobs_job.published_at = claim.published_at
"""
TAKE_BACK = f"UPDATE jobs_job SET state = 'pending', published_at = NULL, publish_at = now() {OURS}"  # noqa: S608  a constant
RENEW = f"""
    UPDATE jobs_job SET published_at = now() {OURS} RETURNING jobs_job.id, task, queue, jobs_job.published_at
"""  # noqa: S608  a constant


def relay() -> int:
    """Publish pending jobs that are due, for half a heartbeat's interval at most; return how many.

    Raises BrokerAwayError; what was claimed is due again. While Redis is known to be away nothing is claimed: each turn would write
    hundreds of rows twice for nothing.
    """
    broker.refuse_while_away()
    total, end = 0, time.monotonic() + conf().heartbeat_interval / 2  # the keeper beats in the same thread
    while claims := claim():
        publish(claims)
        total += len(claims)
        if len(claims) < conf().relay_batch or time.monotonic() >= end:
            break
    return total


def claim() -> list[Claim]:
    return _claims(CLAIM, [conf().relay_batch])


def claim_lost(lost_at: datetime) -> list[Claim]:
    """Claim a batch of what Redis has lost; raises BrokerAwayError while it is away."""
    broker.refuse_while_away()
    return _claims(CLAIM_LOST, {"lost_at": lost_at, "limit": conf().relay_batch})


def publish(claims: Sequence[Claim]) -> None:
    """Send the messages of claimed rows; while Redis is away, leave the rows due at once."""
    messages, own = defaultdict(list), ledger.identity()
    for one in claims:
        messages[one.queue].append(job_message(str(one.id), one.task, one.queue, one.published_at, own))
    try:
        broker.publish(messages)
    except broker.BrokerAwayError:
        take_back(claims)
        raise


def take_back(claims: Sequence[Claim]) -> None:
    """Make claimed rows pending again. Those that began all the same, or were claimed anew, are left alone."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_BACK, _columns(claims))


def publish_job(job_id: uuid.UUID) -> None:
    """Publish one job that is due, now, without waiting for the relay's turn."""
    _publish_or_leave(_claims(CLAIM_ONE, [job_id]))


def publish_committed(claims: Sequence[Claim], written: float) -> None:
    """Publish what a transaction of this process has just committed; `written` says when it was written, monotonic seconds.

    A transaction that took long would send messages that look older than those before them, which would be taken for lost ones.
    """
    if time.monotonic() - written > conf().lost_message_after / 3:
        claims = _claims(RENEW, _columns(claims))
    _publish_or_leave(claims)


def _publish_or_leave(claims: Sequence[Claim]) -> None:
    """Publish; Redis away is no error: the rows wait for the relay."""
    if not claims:
        return
    try:
        publish(claims)
    except broker.BrokerAwayError as error:
        logger.warning("%d jobs wait for Redis: %s", len(claims), error, extra={"action": "publish_deferred"})


def _claims(statement: str, values: Sequence[Any] | dict[str, Any]) -> list[Claim]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [Claim(*row) for row in cursor.fetchall()]


def _columns(claims: Sequence[Claim]) -> tuple[list[uuid.UUID], list[datetime]]:
    return [one.id for one in claims], [one.published_at for one in claims]
