"""Writes slots and their jobs: the statements behind wake-ups, backfills and manual runs. Call them in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import ENQUEUED, SKIPPED, Decision
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry

INSERT = """
    INSERT INTO offbeat_cronjobs_slot (cronjob_id, slot, trigger, outcome, reason, decided_at)
    SELECT %s, slot, %s, outcome, left(reason, 255), %s
    FROM unnest(%s::timestamptz[], %s::text[], %s::text[]) AS decision (slot, outcome, reason)
    ON CONFLICT DO NOTHING
    RETURNING slot, id
"""


def insert(name: str, trigger: str, decisions: Sequence[Decision], now: datetime) -> dict[datetime, int]:
    """Insert decided slots; return the row's id for each that is ours. The others were decided before: a race lost, or a double."""
    if not decisions:
        return {}
    columns = zip(*((each.slot, each.outcome, each.reason) for each in decisions), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(INSERT, [name, trigger, now, *map(list, columns)])
        return dict(cursor.fetchall())


TAKE_OVER = """
    INSERT INTO offbeat_cronjobs_slot (cronjob_id, slot, trigger, outcome, reason, decided_at)
    SELECT %s, slot, 'backfill', 'enqueued', '', %s FROM unnest(%s::timestamptz[]) AS wanted (slot) ORDER BY slot
    ON CONFLICT (cronjob_id, slot) WHERE NOT (trigger = 'manual')
    DO UPDATE SET trigger = 'backfill', outcome = 'enqueued', reason = '', decided_at = excluded.decided_at
        WHERE offbeat_cronjobs_slot.outcome <> 'enqueued'
    RETURNING slot, id
"""


def take_over(name: str, slots: Sequence[datetime], now: datetime) -> dict[datetime, int]:
    """Make slots enqueued that were skipped, missed or never decided; return the row's id for each."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE_OVER, [name, now, list(slots)])
        return dict(cursor.fetchall())


def forget_future(name: str, now: datetime) -> None:
    """Forget what was decided about slots that are yet to come, by a clock that was ahead; those that were enqueued have run."""
    Slot.objects.filter(cronjob=name, slot__gt=now).exclude(outcome=ENQUEUED).delete()


def enqueue(entry: Entry, row: int, slot: datetime, now: datetime) -> uuid.UUID:
    """Enqueue the job of a slot that a wake-up or a worker has claimed, and note it in the slot's row."""
    using = entry.command.task.using(
        key=job_key(entry.name, slot),
        concurrency_key=concurrency_key(entry),
        when_busy=entry.policies.when_busy,
        not_after=entry.policies.not_after(slot, entry.schedule),
        run_at=slot
        if slot > now
        else None,  # woken early: the job starts at its slot, never on the day before
    )
    return note(row, using.enqueue(**entry.arguments(slot)))


def enqueue_by_hand(entry: Entry, row: int, slot: datetime, key: str | None) -> uuid.UUID:
    """Enqueue a job that a person asked for: it has no deadline, and waits for others of its cronjob instead of giving way."""
    using = entry.command.task.using(key=key, concurrency_key=concurrency_key(entry))
    return note(row, using.enqueue(**entry.arguments(slot)))


def note(row: int, job: Job) -> uuid.UUID:
    Slot.objects.filter(pk=row).update(job_id=job.pk)
    return job.pk


def job_key(name: str, slot: datetime) -> str:
    return f"cron:{name}:{slot:%Y-%m-%dT%H:%MZ}"


def concurrency_key(entry: Entry) -> str | None:
    return None if entry.policies.overlap == "allow" else f"cron:{entry.name}"


def with_overlap(entry: Entry, decisions: Sequence[Decision]) -> Sequence[Decision]:
    """Turn slots down that would be second in the queue of a `buffer_one` cronjob: one may run, one may wait."""
    if entry.policies.overlap != "buffer_one" or not any(each.outcome == ENQUEUED for each in decisions):
        return decisions
    room = (
        2 - Job.objects.filter(concurrency_key=concurrency_key(entry)).exclude(state__in=Job.FINISHED).count()
    )
    fitting = [each.slot for each in decisions if each.outcome == ENQUEUED][: max(0, room)]
    return [
        each
        if each.outcome != ENQUEUED or each.slot in fitting
        else Decision(each.slot, SKIPPED, "one job runs and one waits already (overlap is buffer_one)")
        for each in decisions
    ]


def count_unpublished(jobs: Collection[uuid.UUID]) -> int:
    """Count the jobs that should be in Redis by now and are not: nothing is lost, a worker's relay publishes them."""
    if not jobs:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM offbeat_jobs_job
            WHERE id = ANY(%s) AND state = 'pending' AND attempt = 0 AND published_at IS NULL AND due_at <= now()""",
            [list(jobs)],
        )
        return int(cursor.fetchone()[0])
