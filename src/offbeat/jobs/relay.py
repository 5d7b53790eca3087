"""The relay: publishes jobs. It runs inline after a commit (the fast path) and once a second in every worker.

1. claim: the row says `published`, and when. `enqueue` writes a job that is due so at once; a relay takes pending rows that are
   due, skipping those that another relay holds; commit;
2. publish: those of a list in Redis in one command; a queue has one for each level of priority. While Redis is away they are taken
   back: pending, due at once.

Death between 1 and 2: no message of the job is in its queue, which the reconciler sees (`offbeat.jobs.reconciler`). Nothing is
written after 2, so nothing stands in the way of the worker that begins the job meanwhile. In no case is a job lost, or run twice.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import InterfaceError, OperationalError

from offbeat.jobs import broker, ledger, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.levels import level_of
from offbeat.jobs.message import job_message
from offbeat.redaction import first_line

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence
    from datetime import datetime

logger = logging.getLogger(__name__)


class ClaimedJob(NamedTuple):
    """A row that says `published`, and whose message is ours to send; ours until the row says another time."""

    id: uuid.UUID
    task: str  # that of Celery
    queue: str
    priority: int
    published_at: datetime  # the database's clock; the message carries the same time
    limits: str | None = None  # JSON: the hard and the soft time limit, where they are the job's own

    @property
    def list_name(self) -> str:
        return broker.list_name(self.queue, level_of(self.priority))

    def message(self, ledger: str) -> str:
        return job_message(
            str(self.id),
            self.task,
            self.queue,
            self.published_at,
            ledger,
            level=level_of(self.priority),
            limits=self.limits,
        )


# What a statement returns of them.
CLAIMED = "id, coalesce(nullif(runner, ''), task), queue, priority, published_at, options->>'timelimit'"


# The priorities of pending jobs, and the queues and priorities of published ones: each looked up once in an index, however many
# jobs there are.
PENDING = """
    WITH RECURSIVE waiting AS (
        (SELECT priority FROM offbeat_jobs_job WHERE state = 'pending' ORDER BY priority DESC LIMIT 1)
        UNION ALL
        SELECT (SELECT priority FROM offbeat_jobs_job WHERE state = 'pending' AND priority < waiting.priority
            ORDER BY priority DESC LIMIT 1)
        FROM waiting WHERE waiting.priority IS NOT NULL
    )
"""
PUBLISHED = """
    WITH RECURSIVE waiting AS (
        (SELECT queue, priority FROM offbeat_jobs_job WHERE state = 'published' ORDER BY queue, priority LIMIT 1)
        UNION ALL
        SELECT following.* FROM waiting CROSS JOIN LATERAL (
            (SELECT queue, priority FROM offbeat_jobs_job WHERE state = 'published'
                AND queue = waiting.queue AND priority > waiting.priority ORDER BY priority LIMIT 1)
            UNION ALL
            (SELECT queue, priority FROM offbeat_jobs_job WHERE state = 'published'
                AND queue > waiting.queue ORDER BY queue, priority LIMIT 1)
            LIMIT 1
        ) AS following
    )
"""
# Priority by priority: neither what is due later nor a less urgent backlog is read.
CLAIM = f"""
    {PENDING}
    UPDATE offbeat_jobs_job SET state = 'published', published_at = now()
    WHERE id = ANY (ARRAY(
        SELECT due.id FROM waiting CROSS JOIN LATERAL (
            SELECT id FROM offbeat_jobs_job WHERE state = 'pending' AND priority = waiting.priority AND publish_at <= now()
            ORDER BY publish_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
        ) AS due LIMIT %s
    ))
    RETURNING {CLAIMED}
"""  # noqa: S608  constants
# By their ids, and not by the index of their state: see guard.IS_RUNNING.
CLAIM_THESE = f"""
    UPDATE offbeat_jobs_job SET state = 'published', published_at = now()
    WHERE id IN (SELECT id FROM offbeat_jobs_job WHERE id = ANY(%s) AND state || '' = 'pending' AND publish_at <= now()
        FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {CLAIMED}
"""  # noqa: S608  a constant
# What was published before Redis lost its data; never dated back, or it would be taken again.
CLAIM_LOST = f"""
    {PUBLISHED}
    UPDATE offbeat_jobs_job SET published_at = greatest(now(), %s), reason = 'published again: the broker lost its data'
    WHERE id = ANY (ARRAY(
        SELECT lost.id FROM (SELECT * FROM waiting ORDER BY priority DESC) AS waiting CROSS JOIN LATERAL (
            SELECT id FROM offbeat_jobs_job WHERE state = 'published' AND queue = waiting.queue
                AND priority = waiting.priority AND published_at < %s
            ORDER BY published_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
        ) AS lost LIMIT %s
    ))
    RETURNING {CLAIMED}
"""  # noqa: S608  constants
# By their ids, too. A row that somebody holds is passed by: it says `published`, and has no message, which the reconciler sees.
OURS = """
    WHERE id IN (
        SELECT id FROM offbeat_jobs_job JOIN unnest(%s::uuid[], %s::timestamptz[]) AS claim (id, published_at)
            USING (id, published_at)
        WHERE state || '' = 'published' FOR NO KEY UPDATE OF offbeat_jobs_job SKIP LOCKED
    )
"""
TAKE_BACK = f"""
    UPDATE offbeat_jobs_job SET state = 'pending', published_at = NULL, publish_at = now() + make_interval(secs => %s) {OURS}
"""  # noqa: S608  a constant
# Seconds until a queue is tried again whose key in Redis is no list: others must not wait for it.
PAUSE = 30.0
RENEW = f"""
    UPDATE offbeat_jobs_job SET published_at = now() {OURS} RETURNING {CLAIMED}
"""  # noqa: S608  a constant
# Rows that the new clock may have written by then keep their times. A row's last writing is its last attempt's end, or its making.
DUE_BY_THE_OLD_CLOCK = """
    UPDATE offbeat_jobs_job SET publish_at = now(), due_at = least(due_at, now())
    WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE state = 'pending' AND publish_at > now()
            AND publish_at <= now() + make_interval(secs => %s)
            AND NOT coalesce((history->-1->>'ended_at')::timestamptz, created_at) BETWEEN %s AND now()
        FOR NO KEY UPDATE SKIP LOCKED
    )
"""


def relay() -> int:
    """Publish pending jobs that are due; return how many. Raises BrokerAwayError; what was claimed is due again."""
    return publish_batches(claim)[0]


def publish_batches(claim: Callable[[], list[ClaimedJob]], *, in_front: bool = False) -> tuple[int, bool]:
    """Claim and publish, for half a heartbeat's interval at most; return how many, and whether that was all.

    While Redis is known to be down nothing is claimed: each turn would write hundreds of rows twice for nothing.
    """
    total, end = 0, time.monotonic() + conf().heartbeat_interval / 2  # the thread has other tasks
    while True:
        broker.refuse_while_away()
        if batch := claim():
            publish(batch, in_front=in_front)
        total += len(batch)
        if len(batch) < conf().relay_batch:
            return total, True
        if time.monotonic() >= end:
            return total, False


def claim() -> list[ClaimedJob]:
    most = conf().relay_batch
    return execute_claim(CLAIM, most, most)


def claim_lost(lost_at: datetime) -> list[ClaimedJob]:
    """Claim a batch of what Redis has lost."""
    most = conf().relay_batch
    return execute_claim(CLAIM_LOST, lost_at, lost_at, most, most)


def publish(batch: Sequence[ClaimedJob], *, in_front: bool = False) -> None:
    """Send the messages of claimed rows, in front of what waits or behind it; while Redis is down, leave the rows due at once."""
    messages, own = defaultdict(list), ledger.identity()
    # The most urgent lists first: an idle worker takes what comes first. Within a list the order stays.
    for one in sorted(batch, key=lambda each: level_of(each.priority)):
        messages[one.list_name].append(one.message(own))
    try:
        refused = broker.publish(messages, in_front=in_front)
    except broker.BrokerAwayError:
        take_back(batch)
        raise
    if refused:
        logger.error(
            "jobs wait: %s",
            broker.refusal(", ".join(map(repr, refused))),
            extra={"action": "queue_refused", "queues": refused},
        )
        take_back([one for one in batch if one.list_name in refused], PAUSE)


def take_back(batch: Sequence[ClaimedJob], pause: float = 0.0) -> None:
    """Make claimed rows pending again, due in `pause` seconds. Those that began, or were claimed anew, are left alone."""
    sql.execute(TAKE_BACK, [pause, *_columns(batch)])


def catch_up(seconds: float, since: datetime) -> int:
    """Make pending jobs due that were due before PostgreSQL's clock was set back by so many seconds; return how many.

    `since` is when, at the earliest, by the new clock.
    """
    return sql.execute(DUE_BY_THE_OLD_CLOCK, [seconds, since])


def publish_jobs(job_ids: Sequence[uuid.UUID]) -> None:
    """Publish those of these jobs that are due, now, without waiting for the relay's turn."""
    publish_claimed(CLAIM_THESE, list(job_ids))


def publish_claimed(statement: str, *values: Any) -> None:
    """Publish what a statement claims: it says `published` of rows, and returns the columns of a ClaimedJob."""
    _publish_or_leave(execute_claim(statement, *values))


def publish_committed(written_ones: Sequence[ClaimedJob], written: float) -> None:
    """Publish what a transaction of this process has just committed; `written` says when it was written, monotonic seconds.

    A transaction that took long would send messages that look older than those before them, which would be taken for lost ones.
    Raises nothing where PostgreSQL has gone since: who believed that nothing was committed would enqueue again.
    """
    try:
        if time.monotonic() - written > conf().lost_message_after / 3:
            written_ones = execute_claim(RENEW, *_columns(written_ones))
        _publish_or_leave(written_ones)
    except (OperationalError, InterfaceError) as error:
        logger.warning(
            "%d jobs wait for the reconciler: %s",
            len(written_ones),
            first_line(error),
            extra={"action": "publish_deferred"},
        )


def _publish_or_leave(batch: Sequence[ClaimedJob]) -> None:
    """Publish; Redis away is no error: the rows wait for the relay."""
    if not batch:
        return
    try:
        publish(batch)
    except broker.BrokerAwayError as error:
        logger.warning(
            "%d jobs wait for %s: %s", len(batch), broker.name(), error, extra={"action": "publish_deferred"}
        )


def execute_claim(statement: str, *values: Any) -> list[ClaimedJob]:
    """Execute a statement that returns the columns of a ClaimedJob."""
    return [ClaimedJob(*row) for row in sql.fetch_all(statement, values)]


def _columns(batch: Sequence[ClaimedJob]) -> tuple[list[uuid.UUID], list[datetime]]:
    return [one.id for one in batch], [one.published_at for one in batch]
