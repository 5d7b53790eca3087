"""The reconciler's part for slots: what a platform forgot to wake up for, any worker claims, and the log says so.

It needs no singleton, because slots are unique. A worker whose code has another schedule than the ledger is an old one in
the middle of a deploy: it leaves that cronjob to the new ones.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs import entries, exit_codes, tick_wakeup
from offbeat.cronjobs.clock import database_now
from offbeat.cronjobs.conf import conf
from offbeat.cronjobs.models import CronJob, Slot
from offbeat.cronjobs.registration import has_changed, is_up_to_date, register
from offbeat.cronjobs.row_lock import WORKER_WAIT, CronJobHeldError, report_holder
from offbeat.cronjobs.wakeup import CLOCK_WENT_BACK, wake_up
from offbeat.cronjobs.words import counted
from offbeat.jobs.conflicts import is_conflict

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from offbeat.cronjobs.entries import Entry
    from offbeat.cronjobs.slots import ClaimResult

logger = logging.getLogger(__name__)

# A dashboard's cronjob is known by its wake-ups alone: so long after the last one, and a day beyond the next slot, it is believed
# to be forgotten by the platform; then, to be removed from the dashboard, or to have been somebody's trial in a terminal.
BELIEVED, A_DAY = timedelta(days=7), timedelta(days=1)


class CatchUp:
    """A worker's memory: its entries of platform.yaml, which the ledger learns when the worker starts."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] | None = None
        self.unregistered: list[Entry] = []

    def __call__(self) -> None:
        try:
            self.run(database_now())
        except entries.ConfigurationError as error:  # of platform.yaml as a whole: the message says it all
            logger.error("slots failed: %s", error, extra={"action": "maintenance_failed"})  # noqa: TRY400

    def run(self, now: datetime, clock: datetime | None = None) -> list[ClaimResult]:
        """Make new and changed cronjobs known, once; claim what is overdue. `clock` stands in for the database's."""
        if self.entries is None:
            self.unregistered = list(load_file_entries())
            self.entries = {entry.name: entry for entry in self.unregistered if has_policies(entry)}
        rows = CronJob.objects.in_bulk() if self.unregistered else {}
        self.unregistered = [
            entry
            for entry in self.unregistered
            if not (is_up_to_date(entry, rows.get(entry.name)) or try_register(entry, now))
        ]
        return (
            claim_overdue([*self.entries.values(), *load_dashboard_entries(now)], now, clock)
            if conf().heal
            else []
        )


def load_file_entries() -> Iterator[Entry]:
    for cronjob in entries.in_file():
        try:
            yield entries.load_entry(cronjob)
        except entries.ConfigurationError as error:
            log_broken(cronjob.name, error)


def has_policies(entry: Entry) -> bool:
    try:
        entry.policies  # noqa: B018  raises for those that are none
    except entries.ConfigurationError as error:
        log_broken(entry.name, error)
        return False
    return True


def try_register(entry: Entry, now: datetime) -> bool:
    """Make a cronjob known; return False where somebody holds it: the others do not wait for that."""
    try:
        register(entry, now, WORKER_WAIT)
    except CronJobHeldError as error:
        report_holder(error)
        return False
    return True


def log_broken(name: str, error: Exception) -> None:
    logger.error("%s", error, extra={"action": "cronjob_broken", "cronjob": name})


def load_dashboard_entries(now: datetime) -> Iterator[Entry]:
    """Yield the cronjobs that the ledger knows by their own command lines only, and not from too long ago."""
    for row in CronJob.objects.filter(is_in_file=False, last_fire_at__isnull=False):
        try:
            entry = entries.load_row(row)
            entry.policies  # noqa: B018  raises for those that are none
        except entries.ConfigurationError:
            continue  # its command is gone, or broken: nothing to heal it with
        assert row.last_fire_at is not None  # noqa: S101  asked for above
        if entry.schedule.next(row.last_fire_at + BELIEVED) + A_DAY > now:
            yield entry


def claim_overdue(found: list[Entry], now: datetime, clock: datetime | None = None) -> list[ClaimResult]:
    """Claim the slots that had no wake-up within `late_after`; return what was done."""
    rows = CronJob.objects.in_bulk()
    extra = tick_wakeup.interval(now) or timedelta(0)
    results = []
    for entry in found:
        row = rows.get(entry.name)
        if row is None or has_changed(entry, row) or not is_overdue(entry, row, now, extra):
            continue
        if done := claim_one(entry, clock, entry.policies.late_after + extra):
            results.append(done)
    return results


def claim_one(entry: Entry, clock: datetime | None, patience: timedelta) -> ClaimResult | None:
    """Return what was done for one cronjob; None where another process is at it, or where a bug is in its way."""
    try:
        done = wake_up(entry, Slot.Trigger.CATCHUP, now=clock, patience=patience)
    except Exception as error:  # the others are claimed all the same
        if is_conflict(error):
            report_holder(error)
            return None  # a wake-up holds it: it is being decided right now
        if exit_codes.is_outage(error):
            raise
        logger.exception("%s: a bug", entry.name, extra={"action": "wake_up_failed", "cronjob": entry.name})
        return None
    log_catch_up(done)
    return done


def is_overdue(entry: Entry, row: CronJob, now: datetime, extra: timedelta) -> bool:
    """Whether a slot is late, or the clock went back; under a tick it has the tick's interval on top."""
    if row.cursor > now + CLOCK_WENT_BACK:
        return True
    return entry.schedule.next(row.cursor) + entry.policies.late_after + extra < now


def log_catch_up(done: ClaimResult) -> None:
    if done.decisions and not done.paused_by:
        logger.warning(
            "%s: the platform did not trigger %s, the last %s; a worker claimed them",
            done.name,
            ("more than " if done.unlisted_since else "") + counted(len(done.decisions), "slot"),
            f"{done.decisions[-1].slot:%Y-%m-%d %H:%MZ}",
            extra={"action": "slot_healed", "cronjob": done.name},
        )
