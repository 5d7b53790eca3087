"""The tick: one wake-up for every cronjob of platform.yaml, for platforms that limit cronjobs or bill each of them.

A tick takes the slots up to now, never early. It loses none: a ten-minute tick is only up to ten minutes late.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, exit_codes
from offbeat.cronjobs.arguments_bound import ArgumentsHangError, BoundedEntry
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob, Slot, Tick
from offbeat.cronjobs.outcomes import SKIPPED
from offbeat.cronjobs.wakeup import CLOCK_WENT_BACK, wake_up, wake_up_free
from offbeat.cronjobs.words import counted
from offbeat.jobs.conflicts import is_conflict
from offbeat.redaction import first_line, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.slots import ClaimResult
    from offbeat.deployment import spec
    from offbeat.deployment.schedule import Schedule

logger = logging.getLogger(__name__)

BUDGET = 20.0  # seconds for one tick; what is left is the next one's
# Cronjobs of one transaction: what it costs is shared by then, and who comes meanwhile waits for tens of milliseconds.
BATCH = 100
REMEMBERED = 10  # ticks: enough for a median that one missing tick does not move
TWICE = timedelta(seconds=30)  # ticks so close together are one that came twice: a minute is cron's shortest


@dataclass
class TickResult:
    """What a tick did."""

    known: int
    wake_ups: list[ClaimResult] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)  # by cronjob
    left: list[str] = field(default_factory=list)  # cronjobs that were due, for the next tick
    held: dict[str, str] = field(default_factory=dict)  # those of them that somebody else is at, and who
    code: int = exit_codes.DONE

    @property
    def unpublished(self) -> int:
        return sum(each.unpublished for each in self.wake_ups)


def tick(now: datetime | None = None) -> TickResult:
    """Wake up every cronjob that is due; one that fails does not keep the others from it.

    Raises entries.ConfigurationError for a platform.yaml that cannot be read, django.db.OperationalError while PostgreSQL is down.
    """
    deadline = time.monotonic() + BUDGET
    cronjobs = entries.in_file()
    clock = now or database_now()
    result = TickResult(known=len(cronjobs))
    loaded = (load(each, result) for each in due(cronjobs, clock))
    found = [BoundedEntry.of(entry, deadline) for entry in loaded if entry]
    batches: deque[Sequence[Entry]] = deque(
        found[start : start + BATCH] for start in range(0, len(found), BATCH)
    )
    while batches:
        batch = batches.popleft()
        if time.monotonic() > deadline:
            result.left += [each.name for each in batch]
        else:
            # Behind the others: whoever fails, or is held for long, costs none of them the time of this tick.
            batches.extend(wake_up_batch(batch, now, result))
    record_tick(clock)
    result.code = result.code or exit_code(result)
    return result


def due(cronjobs: Iterable[spec.CronJobSpec], clock: datetime) -> list[spec.CronJobSpec]:
    """Return the cronjobs that have a slot, or that the ledger does not know as they are."""
    rows = {
        name: (cron, timezone, cursor)
        for name, cron, timezone, cursor in CronJob.objects.values_list("name", "cron", "timezone", "cursor")
    }
    return [each for each in cronjobs if is_due(each.parsed_schedule, rows.get(each.name), clock)]


def is_due(schedule: Schedule, known: tuple[str, str, datetime] | None, clock: datetime) -> bool:
    if known is None or known[:2] != (schedule.cron, schedule.timezone):
        return True
    cursor = known[2]
    return cursor > clock + CLOCK_WENT_BACK or schedule.next(cursor) <= clock


def load(cronjob: spec.CronJobSpec, result: TickResult) -> Entry | None:
    with noting_failure(cronjob.name, result):
        entry = entries.load_entry(cronjob)
        entry.policies  # noqa: B018  raises for those that are none
        return entry
    return None


def wake_up_batch(batch: Sequence[Entry], now: datetime | None, result: TickResult) -> list[Sequence[Entry]]:
    """Wake up cronjobs in one transaction; return, in smaller batches, those that are still to be woken up.

    One that somebody holds is left out, one that fails undoes the others: in the end it has a transaction of its own.
    """
    if len(batch) == 1:
        with noting_failure(batch[0].name, result):
            note_wake_up(wake_up(batch[0], Slot.Trigger.TICK, now=now), result)
        return []
    try:
        done = try_together(batch, now)
    except ArgumentsHangError as error:  # known by name, so that nobody calls it again
        note_failure(error.name, error, result)
        return [[each for each in batch if each.name != error.name]]
    for each in done:
        note_wake_up(each, result)
    names = {each.name for each in done}
    left = [each for each in batch if each.name not in names]
    middle = len(left) if done else len(left) // 2
    return [part for part in (left[:middle], left[middle:]) if part]


def try_together(batch: Sequence[Entry], now: datetime | None) -> list[ClaimResult]:
    """Return what was done; nothing where one of them fails, whose failure is noted when it is alone."""
    try:
        return wake_up_free(batch, Slot.Trigger.TICK, now=now)
    except ArgumentsHangError:
        raise
    except Exception as error:
        if exit_codes.is_outage(error):
            raise
        logger.info(
            "%s: %s", counted(len(batch), "cronjob"), first_line(error), extra={"action": "tick_divided"}
        )
        return []


@contextmanager
def noting_failure(name: str, result: TickResult) -> Iterator[None]:
    """Note what is wrong with one cronjob, for the others are woken up all the same."""
    try:
        yield
    except entries.ConfigurationError as error:
        result.problems[name], result.code = str(error), exit_codes.UNCONFIGURED
    except Exception as error:
        if is_conflict(error):
            result.left.append(name)  # a wake-up or a worker is at it right now, or somebody for long
            result.held[name] = str(error)
            return
        if exit_codes.is_outage(error):
            raise
        note_failure(name, error, result)


def note_failure(name: str, error: Exception, result: TickResult) -> None:
    logger.error("%s: a bug", name, exc_info=error, extra={"action": "wake_up_failed", "cronjob": name})
    result.problems[name] = redact(f"{type(error).__name__}: {error}")
    result.code = exit_codes.BUG


def note_wake_up(done: ClaimResult, result: TickResult) -> None:
    result.wake_ups.append(done)
    warn_of_merging(done)


def warn_of_merging(done: ClaimResult) -> None:
    merged = sum(each.outcome == SKIPPED for each in done.decisions)
    if merged and not done.paused_by:
        logger.warning(
            "%s: %s merged into one: its schedule is finer than the tick",
            done.name,
            counted(merged + 1, "slot"),
            extra={"action": "tick_merged", "cronjob": done.name},
        )


def exit_code(result: TickResult) -> int:
    return exit_codes.UNPUBLISHED if result.unpublished or result.left else exit_codes.DONE


def record_tick(clock: datetime) -> None:
    Tick.objects.create(at=clock)
    newest = Tick.objects.order_by("-at").values("pk")[:REMEMBERED]
    Tick.objects.exclude(pk__in=newest).delete()


def interval(clock: datetime) -> timedelta | None:
    """Return how far apart the last ticks came; None where no tick has come for three times as long, or at all."""
    moments = list(Tick.objects.order_by("at").values_list("at", flat=True))
    apart = (later - earlier for earlier, later in pairwise(moments))
    gaps = sorted(gap for gap in apart if gap > TWICE)
    if not gaps:
        return None
    usual = gaps[len(gaps) // 2]
    return usual if clock - moments[-1] <= 3 * usual else None
