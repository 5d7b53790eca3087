"""Concurrency keys: the job that ends hands its key over to the most urgent one that waits for it, and of those to the oldest."""

from __future__ import annotations

from offbeat.jobs import relay, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.models import BUSY

# Spelled out, and no value, so that PostgreSQL finds them by the index of those that wait.
WAITS = f"state = 'pending' AND reason = '{BUSY}'"
HAND_OVER = f"""
    UPDATE offbeat_jobs_job SET state = 'published', reason = '', due_at = now(), published_at = now() WHERE id = (
        SELECT id FROM offbeat_jobs_job WHERE {WAITS} AND concurrency_key = %s
            AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_job WHERE state = 'running' AND concurrency_key = %s)
        ORDER BY priority DESC, id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {relay.CLAIMED}
"""  # noqa: S608  constants


def hand_over(concurrency_key: str) -> None:
    """Publish the most urgent job that waits for this key, the oldest of those, if it is free; the others go on waiting."""
    relay.publish_claimed(HAND_OVER, concurrency_key, concurrency_key)


# The keys that jobs wait for, each looked up once in the index, however many jobs wait for it.
WAITED_FOR = f"""
    WITH RECURSIVE waited_for AS (
        (SELECT concurrency_key FROM offbeat_jobs_job WHERE {WAITS} AND concurrency_key > %s ORDER BY concurrency_key LIMIT 1)
        UNION ALL
        SELECT (SELECT concurrency_key FROM offbeat_jobs_job WHERE {WAITS} AND concurrency_key > waited_for.concurrency_key
            ORDER BY concurrency_key LIMIT 1)
        FROM waited_for WHERE waited_for.concurrency_key IS NOT NULL
    )
    SELECT concurrency_key FROM waited_for WHERE concurrency_key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM offbeat_jobs_job AS other
        WHERE other.state = 'running' AND other.concurrency_key = waited_for.concurrency_key)
    LIMIT %s
"""  # noqa: S608  constants


_last = ""  # key of the turn before


def hand_over_free_keys() -> None:
    """Hand over the keys that nobody has: whoever ended the last job of a key died before it could.

    A turn takes so many, and the next one goes on behind them: a key whose jobs wait in a queue that stands still is always free.
    """
    global _last  # noqa: PLW0603  one thread asks
    most = conf().relay_batch
    keys = [key for (key,) in sql.fetch_all(WAITED_FOR, [_last, most])]
    _last = keys[-1] if len(keys) == most else ""
    for key in keys:
        hand_over(key)
