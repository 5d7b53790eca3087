"""What is wrong, in words and since when: the sentence at the top of the overview.

Alerts tell of the same a little later: they wait until it has lasted. What is too long for a queue is decided there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.urls import reverse

from offbeat.cronjobs.models import Incident as CronJobIncident
from offbeat.cronjobs.table import renamed
from offbeat.cronjobs.words import counted, duration
from offbeat.jobs import other_ledgers, refusal
from offbeat.ops.alerts.conf import conf
from offbeat.ops.alerts.models import Incident

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.cronjobs.statuses import Report
    from offbeat.jobs.models import Worker
    from offbeat.ops.pages.queues import Queue


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong: what, since when if that is known, and where to look."""

    subject: str
    text: str
    link: str
    since: datetime | None = None


@dataclass(frozen=True)
class Over:
    """An incident that is over."""

    text: str
    at: datetime


def of_workers(alive: Sequence[Worker], silent: Sequence[Worker], now: datetime) -> Iterator[Trouble]:
    """Tell of missing and silent workers, and of workers that have lost Redis."""
    link = "#services"
    if not alive:
        since = max((worker.heartbeat_at for worker in silent), default=None)
        yield Trouble("No worker", "is alive: jobs are kept, and none is run", link, since)
    for worker in silent if alive else ():
        silence = duration(now - worker.heartbeat_at)
        yield Trouble(str(worker), f"has given no heartbeat for {silence}", link, worker.heartbeat_at)
    cut_off = [worker for worker in alive if worker.broker_away_since]
    if cut_off:
        since = min(worker.broker_away_since for worker in cut_off if worker.broker_away_since)
        who = str(cut_off[0]) if len(cut_off) == 1 else counted(len(cut_off), "worker")
        yield Trouble("Redis", f"is away for {who}", link, since)


def of_redis(*, is_away: bool) -> Iterator[Trouble]:
    if is_away:
        yield Trouble("Redis", "does not answer: jobs are kept in PostgreSQL until it does", "#queues")


def of_neighbours(databases: Sequence[str]) -> Iterator[Trouble]:
    for database in databases:
        yield Trouble("Redis", f"is shared under one prefix: {other_ledgers.text(database)}", "#queues")


def of_queues(queues: Sequence[Queue], now: datetime) -> Iterator[Trouble]:
    """Tell of queues that nobody consumes, and of those whose jobs wait too long."""
    patience = timedelta(seconds=conf().queue_age)
    for queue in queues:
        if not queue.consumers and (queue.waiting or queue.is_declared):
            text = "is consumed by no worker" + (
                f": {counted(queue.waiting, 'job')} waiting" if queue.waiting else ""
            )
            yield Trouble(f"Queue {queue.name}", text, "#queues", queue.oldest_at)
        elif queue.oldest_at and now - queue.oldest_at > patience:
            text = f"is behind: the oldest of {counted(queue.waiting, 'job')} has waited {duration(now - queue.oldest_at)}"
            yield Trouble(f"Queue {queue.name}", text, "#queues", queue.oldest_at)


def of_cronjobs(reports: Sequence[Report]) -> Iterator[Trouble]:
    """Tell every signal of every cronjob, as cronjobs words it."""
    for report in reports:
        said: list[tuple[str, datetime | None]] = [(signal.text, signal.since) for signal in report.signals]
        if report.problem:
            said.append((report.problem.removeprefix(f"{report.name}: "), None))
        if report.is_removed and report.renamed_to:
            said.append((f"is no longer in platform.yaml{renamed(report)}", None))
        for text, since in said:
            yield Trouble(report.name, text, reverse("offbeat_ops:cronjob", args=[report.name]), since)


def of_refused_jobs() -> Iterator[Trouble]:
    """Tell of jobs that wait for a worker whose code knows their task."""
    for each in refusal.refused():
        link = reverse("offbeat_ops:jobs") + "?state=pending"
        yield Trouble(
            each.task, f"is not known to the workers: {counted(each.jobs, 'job')} waiting", link, each.since
        )


def of_dead_letters(count: int, oldest_at: datetime | None) -> Iterator[Trouble]:
    if count:
        text = "waits for your decision" if count == 1 else "wait for your decision"
        yield Trouble(
            counted(count, "dead letter"), text, reverse("offbeat_ops:jobs") + "?state=dead", oldest_at
        )


def of_messages(count: int) -> Iterator[Trouble]:
    if count:
        text = (
            "put aside, because no worker can take it"
            if count == 1
            else "put aside, because no worker can take them"
        )
        yield Trouble(counted(count, "message"), text, reverse("offbeat_ops:messages"))


def last_over() -> Over | None:
    """Return the incident that was over last, of a cronjob or of the whole."""
    cronjobs = CronJobIncident.objects.filter(closed_at__isnull=False).order_by("-closed_at")[:1]
    whole = Incident.objects.filter(closed_at__isnull=False).order_by("-closed_at")[:1]
    told = [(f"{each.cronjob_id}: {each.text}", each.closed_at) for each in cronjobs]
    told += [(each.text, each.closed_at) for each in whole]
    found = [Over(text, at) for text, at in told if at]
    return max(found, key=lambda over: over.at, default=None)
