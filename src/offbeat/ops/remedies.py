"""What helps against a condition: a link to the page where it is done. Each is tried in the tests, until the condition is over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.urls import reverse

from offbeat.cronjobs import conditions as of_cronjobs
from offbeat.cronjobs.words import counted
from offbeat.jobs import sql
from offbeat.ops import conditions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from offbeat.condition import Condition
    from offbeat.cronjobs.history import PastSlot
    from offbeat.cronjobs.statuses import Report

MOST = 1_000  # dead letters that are counted
COUNT = "SELECT count(*) FROM (SELECT 1 FROM offbeat_jobs_job WHERE state = 'dead' AND task = %s LIMIT %s) AS found"


@dataclass(frozen=True)
class Remedy:
    """A link to what helps."""

    text: str
    path: str


@dataclass(frozen=True)
class Remedies:
    """Knows what is needed to name what helps: the reports of cronjobs, their tasks, and how many dead letters a task has."""

    reports: Mapping[str, Report] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)  # by cronjob
    dead: Mapping[str, int] = field(default_factory=dict)  # by task

    def find(self, condition: Condition) -> list[Remedy]:
        """Return what helps against a condition, the best first; for some there is no page."""
        of = OF_CRONJOBS.get(condition.kind.name)
        report = self.reports.get(condition.subject)
        if of and report:
            return list(of(self, condition, report))
        if condition.kind is conditions.DEAD_LETTERS:
            return [Remedy("Retry or discard them…", jobs("dead", condition.subject))]
        if condition.kind is conditions.UNKNOWN_TASK:
            return [Remedy("Its jobs", jobs("pending", condition.subject))]
        return []


def count_dead(task: str) -> int:
    """Return how many dead letters a task has, up to a thousand."""
    return int(sql.fetch_one(COUNT, [task, MOST])[0])


def jobs(state: str, task: str) -> str:
    return f"{reverse('offbeat_ops:jobs')}?{urlencode({'state': state, 'task': task})}"


def job_of(slot: PastSlot) -> Remedy:
    return Remedy("Its job", reverse("offbeat_ops:job", args=[slot.job_id]))


def against_not_fired(_: Remedies, condition: Condition, report: Report) -> Iterator[Remedy]:
    """Where nobody has claimed the slot no worker is alive; else its job is there, and the platform's cron is what to look at."""
    claimed = [slot for slot in report.slots if slot.slot == condition.since and slot.state]
    yield job_of(claimed[0]) if claimed else Remedy("Workers", f"{reverse('offbeat_ops:index')}#services")


def against_its_job(_: Remedies, condition: Condition, report: Report) -> Iterator[Remedy]:
    """Its page says why it waits, and has what can be done with one that runs."""
    yield from (job_of(slot) for slot in report.slots if slot.slot == condition.since and slot.state)
    yield Remedy("Queues and workers", f"{reverse('offbeat_ops:index')}#queues")


def against_no_success(known: Remedies, _: Condition, report: Report) -> Iterator[Remedy]:
    """A backfill enqueues slots that have no job. It passes over jobs that failed: those are retried."""
    task = known.tasks.get(report.name, "")
    ended = islice(
        (slot for slot in reversed(report.slots) if of_cronjobs.has_ended(slot)),
        of_cronjobs.most_without_success(),
    )
    newest = list(ended)
    became = Counter(slot.became for slot in newest)
    if dead := became["dead"] and known.dead.get(task, became["dead"]):
        yield Remedy(f"Retry {counted(dead, 'dead letter')}…", jobs("dead", task))
    for state in ("expired", "cancelled"):
        if became[state]:
            yield Remedy(f"Retry {state} jobs…", jobs(state, task))
    if missed := sorted(slot.slot for slot in newest if slot.became == "missed"):
        times = {"since": missed[0], "until": missed[-1] + timedelta(minutes=1)}
        query = urlencode({name: f"{moment:%Y-%m-%dT%H:%M}" for name, moment in times.items()})
        path = reverse("offbeat_ops:backfill", args=[report.name])
        yield Remedy(f"Backfill {counted(len(missed), 'missed slot')}…", f"{path}?{query}")


OF_CRONJOBS: Mapping[str, Callable[[Remedies, Condition, Report], Iterator[Remedy]]] = {
    of_cronjobs.NOT_FIRED.name: against_not_fired,
    of_cronjobs.NOT_PUBLISHED.name: against_its_job,
    of_cronjobs.NOT_STARTED.name: against_its_job,
    of_cronjobs.TOO_LONG.name: against_its_job,
    of_cronjobs.NO_SUCCESS.name: against_no_success,
}
