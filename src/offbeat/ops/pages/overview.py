"""Everything that the overview shows, gathered with a constant number of queries."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from offbeat.cronjobs import table
from offbeat.cronjobs.clock import database_now
from offbeat.deployment import spec
from offbeat.jobs.models import Job, Worker
from offbeat.jobs.queries import messages
from offbeat.ops import conditions
from offbeat.ops.alerts.acknowledgement import add_incidents
from offbeat.ops.alerts.models import Incident
from offbeat.ops.pages.queues import Queue, queues
from offbeat.ops.pages.reports import reports
from offbeat.ops.remedies import Remedies
from offbeat.ops.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from offbeat.condition import Condition
    from offbeat.cronjobs.statuses import Report
    from offbeat.jobs.models import Pause

SAME_TIME = timedelta(minutes=1)  # so close together, two begins are one
DEAD_LETTERS = 5  # shown here; their page has all
CRONJOBS = 24  # shown here, those that are not well first: a screen's worth


@dataclass(frozen=True)
class ServiceStatus:
    """A service of platform.yaml with the workers that live, or lived a moment ago; web processes keep no row."""

    name: str
    queues: Sequence[str]
    instances: spec.Instances
    workers: Sequence[Worker]

    @property
    def slots(self) -> int:
        return sum(worker.concurrency for worker in self.workers)

    @property
    def is_short(self) -> bool:
        """Whether fewer workers live than the platform is asked to run."""
        return len(self.workers) < self.instances.min

    @property
    def busy(self) -> int:
        return sum(worker.busy for worker in self.workers)


@dataclass(frozen=True)
class Overview:
    """The state of everything at one moment."""

    now: datetime
    services: Sequence[ServiceStatus]
    silent: Sequence[Worker]
    queues: Sequence[Queue]
    messages: Mapping[str, int] | None  # in Redis, by queue; None while it is away
    reports: Sequence[Report]
    unknown: Sequence[str]  # cronjobs of platform.yaml that the ledger has not met
    pauses: Sequence[Pause]
    dead: Sequence[Job]
    dead_count: int
    conditions: Sequence[Condition]
    last_incident: Incident | None  # that is over
    remedies: Remedies

    @property
    def since(self) -> datetime | None:
        """When the first of what is wrong began, as far as that is known."""
        return min((each.since for each in self.conditions if each.since), default=None)

    @property
    def newest(self) -> Condition | None:
        """What is newer than the first of what is wrong: an old trouble must not hide that something broke a minute ago."""
        newest = max(self.conditions, key=newest_at, default=None)
        if newest is None or self.since is None or newest_at(newest) - self.since < SAME_TIME:
            return None
        return newest

    @property
    def workers(self) -> int:
        return sum(len(service.workers) for service in self.services)

    @property
    def waiting(self) -> int:
        return sum(queue.depth.waiting for queue in self.queues)

    @property
    def running(self) -> int:
        return sum(queue.depth.running for queue in self.queues)

    @property
    def done_per_minute(self) -> int:
        return sum(queue.per_minute[1] for queue in self.queues)

    @property
    def cronjobs(self) -> Sequence[Report]:
        """The cronjobs to be shown: those that are not well, then those that come next."""
        return ordered(self.reports)[:CRONJOBS]


def ordered(reports: Sequence[Report]) -> list[Report]:
    return sorted(
        reports, key=lambda report: (report.is_well, report.is_removed, report.is_paused, report.next_slot)
    )


def newest_at(condition: Condition) -> datetime:
    return condition.newest_at or datetime.min.replace(tzinfo=UTC)


def by_urgency(found: Iterable[Condition]) -> list[Condition]:
    """Return the worst first, then what nobody looks at, then the newest."""
    newest_first = sorted(found, key=newest_at, reverse=True)
    return sorted(newest_first, key=lambda each: (-each.kind.severity, each.acknowledged is not None))


def dead_by_task(snapshot: Snapshot) -> Counter[str]:
    found = Counter[str]()
    for tally in snapshot.tallies:
        if tally.state == Job.State.DEAD:
            found[tally.task] += tally.jobs
    return found


def gather() -> Overview:
    """Ask the ledgers and Redis; raises what Django raises while PostgreSQL is down."""
    now = database_now()
    reported, declared = reports(now)
    consumed = [name for service in declared.platform.services for name in service.queues]
    snapshot = Snapshot.take(now, reported, consumed)
    found = queues(snapshot, consumed)
    dead = Job.objects.filter(state=Job.State.DEAD).order_by("-finished_at")
    return Overview(
        now=now,
        services=list(services(declared.platform.services, snapshot.alive)),
        silent=snapshot.silent,
        queues=found,
        messages=messages(queue.name for queue in found),
        reports=reported,
        unknown=table.not_known_yet(declared.platform.cronjobs, reported),
        pauses=snapshot.pauses,
        dead=list(dead.defer("args", "kwargs", "history", "traceback")[:DEAD_LETTERS]),
        dead_count=sum(queue.depth.dead for queue in found),
        conditions=by_urgency(add_incidents(conditions.find(snapshot).conditions)),
        last_incident=Incident.objects.filter(closed_at__isnull=False).order_by("-closed_at").first(),
        remedies=Remedies(
            {report.name: report for report in reported},
            {name: entry.command.task.name for name, entry in declared.known.items()},
            dead_by_task(snapshot),
        ),
    )


def services(declared: Iterable[spec.Service], alive: Sequence[Worker]) -> Iterator[ServiceStatus]:
    """Yield the services of platform.yaml, each with the workers that consume its queues, and one for all others."""
    strangers = list(alive)
    for service in declared:
        own = [worker for worker in strangers if service.queues and set(worker.queues) == set(service.queues)]
        strangers = [worker for worker in strangers if worker not in own]
        yield ServiceStatus(service.name, service.queues, service.instances, own)
    if strangers:
        yield ServiceStatus("not in platform.yaml", (), spec.Instances(), strangers)
