"""The newest slots of every cronjob, each with what became of its job."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from django.db import connection

from offbeat.cronjobs.words import duration, lateness, stamp
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    import uuid
    from datetime import datetime, timedelta

STRIP = 30  # slots of each cronjob that are looked at and shown

PAST_SLOT = """
    slot.slot, slot.trigger, slot.outcome, slot.reason, slot.decided_at, slot.job_id,
    job.state, job.reason, job.attempt, job.due_at, job.published_at, job.started_at, job.finished_at,
    (SELECT 'paused: ' || pause.kind || ' ' || pause.name FROM offbeat_jobs_pause pause
        WHERE job.state IN ('pending', 'published')
            AND (pause.kind = 'queue' AND pause.name = job.queue OR pause.kind = 'task' AND pause.name = job.task) LIMIT 1)
"""
NEWEST = """
    offbeat_cronjobs_cronjob cronjob CROSS JOIN LATERAL (
        SELECT * FROM offbeat_cronjobs_slot
        WHERE cronjob_id = cronjob.name AND NOT (trigger = 'manual') ORDER BY slot DESC LIMIT %s
    ) slot
"""
WITH_JOBS = "LEFT JOIN offbeat_jobs_job job ON job.id = slot.job_id"
NEWEST_WITH_JOBS = (
    f"SELECT cronjob.name, {PAST_SLOT} FROM {NEWEST} {WITH_JOBS} ORDER BY cronjob.name, slot.slot"  # noqa: S608  constants
)


@dataclass(frozen=True)
class PastSlot:
    """A decided slot with its job, in the order of PAST_SLOT; the job's part is None where there is none, or none any more."""

    slot: datetime
    trigger: str
    outcome: str
    reason: str
    decided_at: datetime
    job_id: uuid.UUID | None
    state: str | None
    job_reason: str | None
    attempt: int | None
    due_at: datetime | None
    published_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    pause: str | None = None  # for which its job waits

    @property
    def lateness(self) -> timedelta:
        """How long after the slot it was decided; below zero for an early wake-up."""
        return self.decided_at - self.slot

    @property
    def became(self) -> str:
        """What became of it, in one word: the job's state, or the slot's own outcome."""
        return self.state or self.outcome

    @property
    def why(self) -> str:
        return self.reason or self.pause or self.job_reason or ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change it any more, but for the pruning of its job; a slot without one may be backfilled."""
        return self.state == Job.State.SUCCEEDED

    @cached_property
    def in_words(self) -> str:
        """``2026-11-23 08:00Z succeeded, 2.1 s late: …``."""
        text = f"{stamp(self.slot)} {self.became}, {lateness(self.slot, self.decided_at)}"
        if self.started_at and self.finished_at and self.became == "succeeded":
            text += f", ran {duration(self.finished_at - self.started_at)}"
        return f"{text}: {self.why}" if self.why else text


def past_slots() -> dict[str, list[PastSlot]]:
    """Return the newest slots by cronjob, oldest first, without manual runs."""
    found = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_WITH_JOBS, [STRIP])
        for name, *values in cursor.fetchall():
            found[name].append(PastSlot(*values))
    return found
