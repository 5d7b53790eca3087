"""The one path to a slot and its job: wake-ups, ticks, workers that catch up and people all pass through here.

1. lock the CronJob row: those who are at one cronjob come one after another;
2. take the database's clock; register the cronjob, or bring its row up to its entry;
3. let the caller decide which slots become what, and where the cursor goes;
4. insert the slots ON CONFLICT DO NOTHING, and enqueue the jobs of those that are ours; save the cursor; commit;
5. publish the jobs.

Death before the commit: nothing happened, and the next wake-up, or a worker, claims the slots. Death after it: the relay of any
worker publishes the jobs. In no case is a slot lost, or a job enqueued twice. A tick takes these steps for many cronjobs in one
transaction, and each of them in one statement: then death, or a failure, is that of all of them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction

from offbeat.cronjobs import exit_codes
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.outcomes import ENQUEUED
from offbeat.cronjobs.registration import create_row, create_rows, refresh_row
from offbeat.cronjobs.row_lock import TICK_WAIT, WORKER_WAIT, lock_cronjob, lock_free
from offbeat.jobs import producer, sql
from offbeat.jobs.conflicts import is_conflict

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.outcomes import Decision
    from offbeat.jobs.producer import Call

    # Gets the locked row, whose cursor it may move, and the result so far.
    Decide = Callable[[CronJob, "ClaimResult"], Sequence[Decision]]

WAITS = {
    Slot.Trigger.CATCHUP.value: WORKER_WAIT,
    Slot.Trigger.TICK.value: TICK_WAIT,
}  # others as long as one may
# Seconds that one transaction may decide and call arguments() of commands, while it holds its cronjobs.
LONGEST = 1.0


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


class ArgumentsFailedError(Exception):
    """arguments() of one cronjob's command failed, by what would else look like a ledger that is down. The others go on."""


class SlotClaim(NamedTuple):
    """A cronjob that a transaction is at, and what it is about to write."""

    row: CronJob
    result: ClaimResult
    decisions: Sequence[Decision]
    calls: dict[datetime, Call]  # the jobs, by their slots


def do_nothing() -> None:
    """Stand in where nobody wants to hear of the commit."""


def claim_slots(
    entry: Entry,
    trigger: str,
    decide: Decide,
    *,
    now: datetime | None = None,
    is_dry: bool = False,
    on_commit: Callable[[], None] = do_nothing,
) -> ClaimResult:
    """Write the slots that `decide` gives and enqueue their jobs; return what was done.

    `now` stands in for the database's clock; `is_dry` leaves no trace; `on_commit` is called between commit and publishing.
    Raises entries.ConfigurationError, row_lock.CronJobHeldError where somebody else is at the cronjob, and any other
    django.db.OperationalError while PostgreSQL is down or does not answer in time.
    """
    with transaction.atomic():
        transaction.on_commit(on_commit)
        row = lock_cronjob(entry.name, WAITS.get(trigger))
        clock = now or database_now()  # read under the lock, which may have taken seconds
        claim = make_claim(entry, trigger, row or create_row(entry, trigger, clock), clock, decide)
        claim.result.is_dry = is_dry
        write_claims([claim])
        if is_dry:
            transaction.set_rollback(True)
    if not is_dry:
        count_unpublished([claim.result])
    return claim.result


def claim_free_slots(
    wanted: Sequence[tuple[Entry, Decide]], trigger: str, *, now: datetime | None = None
) -> list[ClaimResult]:
    """Do the same for many cronjobs in one transaction; return what was done, for as many as there was time.

    Those that somebody holds are left out. What is raised has undone all of it: the caller tries fewer.
    """
    with transaction.atomic():
        rows = lock_free([entry.name for entry, _ in wanted])
        clock = now or database_now()
        rows |= create_rows([entry for entry, _ in wanted if entry.name not in rows], trigger, clock)
        claims, end = list[SlotClaim](), time.monotonic() + LONGEST
        for entry, decide in wanted:
            if entry.name in rows and not (claims and time.monotonic() > end):
                claims.append(make_claim(entry, trigger, rows[entry.name], clock, decide))
        write_claims(claims)
    results = [each.result for each in claims]
    count_unpublished(results)
    return results


def make_claim(entry: Entry, trigger: str, row: CronJob, clock: datetime, decide: Decide) -> SlotClaim:
    # What a person asks for may come from a web process of the version before: it must not bring back its schedule.
    if trigger not in Slot.BY_HAND:
        refresh_row(entry, row, trigger, clock)
    result = ClaimResult(entry.name, trigger, clock, entry.schedule.next(clock))
    decisions = decide(row, result)
    wanted = (each.slot for each in decisions if each.outcome == ENQUEUED)
    return SlotClaim(row, result, decisions, {slot: make_call(entry, result, slot) for slot in wanted})


def write_claims(claims: Sequence[SlotClaim]) -> None:
    """Write the decisions down, enqueue the jobs of those slots that nobody else has decided, and save the cursors."""
    if not claims:
        return
    ours = insert_slots(
        claims[0].result.trigger,  # one for all, and one clock
        [(claim.row.name, each) for claim in claims for each in claim.decisions],
        claims[0].result.now,
    )
    for claim in claims:
        decided = {each: (claim.row.name, each.slot) in ours for each in claim.decisions}
        claim.result.decisions = [each for each, is_ours in decided.items() if is_ours]
        claim.result.decided_before = [each.slot for each, is_ours in decided.items() if not is_ours]
    enqueue_jobs(claims, ours)
    save_rows([claim.row for claim in claims])


INSERT = """
    INSERT INTO offbeat_cronjobs_slot (cronjob_id, slot, trigger, outcome, reason, decided_at)
    SELECT name, slot, %s, outcome, left(reason, 255), %s
    FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[]) AS decision (name, slot, outcome, reason)
    ON CONFLICT {on_conflict}
    RETURNING cronjob_id, slot, id
"""
# A backfill takes over what was skipped, missed or never decided.
TAKE_OVER = """
    (cronjob_id, slot) WHERE NOT (trigger = 'manual') DO UPDATE
    SET trigger = excluded.trigger, outcome = excluded.outcome, reason = excluded.reason, decided_at = excluded.decided_at
    WHERE offbeat_cronjobs_slot.outcome <> 'enqueued'
"""
NOTE_JOBS = """
    UPDATE offbeat_cronjobs_slot SET job_id = enqueued.job_id
    FROM unnest(%s::bigint[], %s::uuid[]) AS enqueued (slot_id, job_id) WHERE id = enqueued.slot_id
"""
UNPUBLISHED = """
    SELECT id FROM offbeat_jobs_job
    WHERE id = ANY(%s) AND state = 'pending' AND attempt = 0 AND published_at IS NULL AND due_at <= now()
"""
# What a claim may change of a cronjob's row.
OURS = ("command", "schedule", "cron", "timezone", "is_in_file", "cursor", "last_fire_at")


def insert_slots(
    trigger: str, decisions: Sequence[tuple[str, Decision]], now: datetime
) -> dict[tuple[str, datetime], int]:
    """Insert decided slots of cronjobs; return the row's id for each that is ours.

    The others were decided before: a race lost, or a double.
    """
    if not decisions:
        return {}
    statement = INSERT.format(on_conflict=TAKE_OVER if trigger == Slot.Trigger.BACKFILL else "DO NOTHING")
    columns = zip(*((name, each.slot, each.outcome, each.reason) for name, each in decisions), strict=True)
    rows = sql.fetch_all(statement, [trigger, now, *map(list, columns)])
    return {(name, slot): row for name, slot, row in rows}


def enqueue_jobs(claims: Sequence[SlotClaim], ours: Mapping[tuple[str, datetime], int]) -> None:
    """Enqueue the jobs of slots that are ours, and note them in the slots' rows."""
    places = [(each, slot) for each in claims for slot in each.calls if (each.row.name, slot) in ours]
    jobs = producer.enqueue_all([claim.calls[slot] for claim, slot in places])
    for (claim, slot), job in zip(places, jobs, strict=True):
        claim.result.jobs[slot] = job
    if jobs:
        sql.execute(NOTE_JOBS, [[ours[claim.row.name, slot] for claim, slot in places], jobs])


def save_rows(rows: Sequence[CronJob]) -> None:
    """Save locked rows, in one statement; what a pause or a success has written is not ours."""
    CronJob.objects.bulk_create(rows, update_conflicts=True, unique_fields=["name"], update_fields=OURS)


def make_call(entry: Entry, result: ClaimResult, slot: datetime) -> Call:
    """Return the job of a slot, to be enqueued."""
    args, kwargs = ask_for_arguments(entry, slot)
    call: Call = entry.command.task.using(**job_options(entry, result, slot)).call(*args, **kwargs)
    return call


def ask_for_arguments(entry: Entry, slot: datetime) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Return the arguments of a slot's job. Raises ArgumentsFailedError, and what else the command raises."""
    try:
        return entry.call(slot)
    except (Exception, SystemExit) as error:
        is_others = isinstance(error, Exception) and (is_conflict(error) or not exit_codes.is_away(error))
        if is_others:
            raise
        raise ArgumentsFailedError(f"arguments() failed: {type(error).__name__}: {error}") from error


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


def count_unpublished(results: Sequence[ClaimResult]) -> None:
    """Count the jobs that should be in Redis by now and are not: nothing is lost, a worker's relay publishes them."""
    jobs = [job for each in results for job in each.jobs.values()]
    waiting = {job for (job,) in sql.fetch_all(UNPUBLISHED, [jobs])} if jobs else set()
    for each in results:
        each.unpublished = len(waiting.intersection(each.jobs.values()))
