"""The one path to a slot and its job: wake-ups, ticks, workers that catch up and people all pass through `claim_slots`.

1. lock the CronJob row: those who are at one cronjob come one after another;
2. take the database's clock; register the cronjob, or bring its row up to its entry;
3. let the caller decide which slots become what, and where the cursor goes;
4. insert the slots ON CONFLICT DO NOTHING, and enqueue the jobs of those that are ours; save the cursor; commit;
5. publish the jobs.

Death before the commit: nothing happened, and the next wake-up, or a worker, claims the slots. Death after it: the relay of any
worker publishes the jobs. In no case is a slot lost, or a job enqueued twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction

from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import Slot
from offbeat.cronjobs.outcomes import ENQUEUED
from offbeat.cronjobs.registration import first_cursor, refresh_row
from offbeat.cronjobs.row_lock import TICK_WAIT, WORKER_WAIT, lock_cronjob

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Collection, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.models import CronJob
    from offbeat.cronjobs.outcomes import Decision

WAITS = {
    Slot.Trigger.CATCHUP.value: WORKER_WAIT,
    Slot.Trigger.TICK.value: TICK_WAIT,
}  # others as long as one may


@dataclass
class ClaimResult:
    """What was done about the slots of one cronjob."""

    name: str
    trigger: str
    now: datetime
    next_slot: datetime
    is_dry: bool = False
    decisions: list[Decision] = field(default_factory=list)
    jobs: dict[datetime, uuid.UUID] = field(default_factory=dict)
    decided_before: list[datetime] = field(default_factory=list)
    # The first of slots so many and so old that the ledger has no row for each.
    unlisted_since: datetime | None = None
    paused_by: str | None = None
    unpublished: int = 0


def do_nothing() -> None:
    """Stand in where nobody wants to hear of the commit."""


def claim_slots(
    entry: Entry,
    trigger: str,
    decide: Callable[[CronJob, ClaimResult], Sequence[Decision]],
    *,
    now: datetime | None = None,
    is_dry: bool = False,
    on_commit: Callable[[], None] = do_nothing,
) -> ClaimResult:
    """Write the slots that `decide` gives and enqueue their jobs; return what was done.

    `decide` gets the locked row, whose cursor it may move, and the result so far. `now` stands in for the database's clock;
    `is_dry` leaves no trace; `on_commit` is called between commit and publishing.
    Raises entries.ConfigurationError, row_lock.CronJobHeldError where somebody else is at the cronjob, and any other
    django.db.OperationalError while PostgreSQL is down or does not answer in time.
    """
    with transaction.atomic():
        transaction.on_commit(on_commit)
        row = lock_cronjob(entry.name, WAITS.get(trigger))
        clock = now or database_now()  # read under the lock, which may have taken seconds
        # What a person asks for may come from a web process of the version before: it must not bring back its schedule.
        if row is None or trigger not in Slot.BY_HAND:
            row = refresh_row(entry, row, first_cursor(entry, trigger, clock), clock)
        result = ClaimResult(entry.name, trigger, clock, entry.schedule.next(clock), is_dry)
        write_slots(entry, result, decide(row, result))
        row.save()
        if is_dry:
            transaction.set_rollback(True)
    result.unpublished = 0 if is_dry else count_unpublished(result.jobs.values())
    return result


def write_slots(entry: Entry, result: ClaimResult, decisions: Sequence[Decision]) -> None:
    """Write the decisions down, and enqueue the jobs of those slots that nobody else has decided."""
    ours = insert_slots(entry.name, result.trigger, decisions, result.now)
    result.decisions = [each for each in decisions if each.slot in ours]
    result.decided_before = [each.slot for each in decisions if each.slot not in ours]
    for each in result.decisions:
        if each.outcome == ENQUEUED:
            result.jobs[each.slot] = enqueue_job(entry, result, ours[each.slot], each.slot)


INSERT = """
    INSERT INTO offbeat_cronjobs_slot (cronjob_id, slot, trigger, outcome, reason, decided_at)
    SELECT %s, slot, %s, outcome, left(reason, 255), %s
    FROM unnest(%s::timestamptz[], %s::text[], %s::text[]) AS decision (slot, outcome, reason)
    ON CONFLICT {on_conflict}
    RETURNING slot, id
"""
# A backfill takes over what was skipped, missed or never decided.
TAKE_OVER = """
    (cronjob_id, slot) WHERE NOT (trigger = 'manual') DO UPDATE
    SET trigger = excluded.trigger, outcome = excluded.outcome, reason = excluded.reason, decided_at = excluded.decided_at
    WHERE offbeat_cronjobs_slot.outcome <> 'enqueued'
"""


def insert_slots(
    name: str, trigger: str, decisions: Sequence[Decision], now: datetime
) -> dict[datetime, int]:
    """Insert decided slots; return the row's id for each that is ours. The others were decided before: a race lost, or a double."""
    if not decisions:
        return {}
    statement = INSERT.format(on_conflict=TAKE_OVER if trigger == Slot.Trigger.BACKFILL else "DO NOTHING")
    columns = zip(*((each.slot, each.outcome, each.reason) for each in decisions), strict=True)
    with connection.cursor() as cursor:
        cursor.execute(statement, [name, trigger, now, *map(list, columns)])
        return dict(cursor.fetchall())


def enqueue_job(entry: Entry, result: ClaimResult, row: int, slot: datetime) -> uuid.UUID:
    """Enqueue the job of a slot that is ours, and note it in the slot's row."""
    args, kwargs = entry.call(slot)
    job = entry.command.task.using(**job_options(entry, result, slot)).enqueue(*args, **kwargs)
    Slot.objects.filter(pk=row).update(job_id=job.pk)
    return job.pk


def job_options(entry: Entry, result: ClaimResult, slot: datetime) -> dict[str, Any]:
    """Return how a job is enqueued; one that a person asked for has no deadline, and waits for others instead of giving way."""
    options = {
        "key": None if result.trigger == Slot.Trigger.MANUAL else f"cron:{entry.name}:{slot:%Y-%m-%dT%H:%MZ}",
        "concurrency_key": entry.concurrency_key,
        "priority": entry.policies.priority,
    }
    if result.trigger in Slot.BY_HAND:
        return options
    return options | {
        "when_busy": entry.policies.when_busy,
        "not_after": entry.policies.not_after(slot, entry.schedule),
        # Woken up early, the job starts at its slot, never on the day before.
        "run_at": slot if slot > result.now else None,
    }


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
