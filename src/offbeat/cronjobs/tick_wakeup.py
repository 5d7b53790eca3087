"""The tick: one wake-up for every cronjob of platform.yaml, for platforms that limit cronjobs or bill each of them.

A tick takes the slots up to now, never early. It loses none: a ten-minute tick is only up to ten minutes late.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, exit_codes
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.models import CronJob, Slot, Tick
from offbeat.cronjobs.outcomes import SKIPPED
from offbeat.cronjobs.wakeup import wake_up
from offbeat.cronjobs.words import counted
from offbeat.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from offbeat.cronjobs.slots import ClaimResult
    from offbeat.deployment import spec

logger = logging.getLogger(__name__)

BUDGET = 20.0  # seconds for one tick; what is left is the next one's
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
    for cronjob in due(cronjobs, clock):
        if time.monotonic() > deadline:
            result.left.append(cronjob.name)
        else:
            wake_up_one(cronjob, now, result)
    record_tick(clock)
    result.code = result.code or exit_code(result)
    return result


def due(cronjobs: Iterable[spec.CronJobSpec], clock: datetime) -> list[spec.CronJobSpec]:
    """Return the cronjobs that have a slot, or that the ledger does not know as they are."""
    rows = CronJob.objects.in_bulk()
    return [each for each in cronjobs if is_due(each, rows.get(each.name), clock)]


def is_due(cronjob: spec.CronJobSpec, row: CronJob | None, clock: datetime) -> bool:
    schedule = entries.parse_schedule(cronjob)
    return (
        row is None
        or (row.cron, row.timezone) != (schedule.cron, schedule.timezone)
        or schedule.next(row.cursor) <= clock
    )


def wake_up_one(cronjob: spec.CronJobSpec, now: datetime | None, result: TickResult) -> None:
    try:
        done = wake_up(entries.load_entry(cronjob), Slot.Trigger.TICK, now=now)
    except entries.ConfigurationError as error:
        result.problems[cronjob.name], result.code = str(error), exit_codes.UNCONFIGURED
    except Exception as error:
        if exit_codes.is_held(error):
            result.left.append(cronjob.name)  # a wake-up or a worker is at it right now, or somebody for long
            result.held[cronjob.name] = str(error)
            return
        if exit_codes.is_away(error):
            raise
        logger.exception(
            "%s: a bug", cronjob.name, extra={"action": "wake_up_failed", "cronjob": cronjob.name}
        )
        result.problems[cronjob.name], result.code = (
            redact(f"{type(error).__name__}: {error}"),
            exit_codes.BUG,
        )
    else:
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
