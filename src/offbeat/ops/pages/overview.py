"""Everything that the overview shows, gathered with a constant number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import redis

from offbeat.cronjobs import table
from offbeat.cronjobs.clock import database_now
from offbeat.deployment import spec
from offbeat.jobs import broker, other_ledgers, unreadable_store
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Job, Worker
from offbeat.ops.pages import headline
from offbeat.ops.pages.queues import Queue, queues
from offbeat.ops.pages.reports import reports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from offbeat.cronjobs.statuses import Report
    from offbeat.ops.pages.headline import Over, Trouble

DEAD_LETTERS = 5  # shown here; their page has all
CRONJOBS = 24  # shown here, those with a trouble first: a screen's worth


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
    dead: Sequence[Job]
    dead_count: int
    troubles: Sequence[Trouble]
    last_incident: Over | None

    @property
    def since(self) -> datetime | None:
        """When the first of the troubles began, as far as that is known."""
        return min((each.since for each in self.troubles if each.since), default=None)

    @property
    def workers(self) -> int:
        return sum(len(service.workers) for service in self.services)

    @property
    def waiting(self) -> int:
        return sum(queue.waiting for queue in self.queues)

    @property
    def running(self) -> int:
        return sum(queue.running for queue in self.queues)

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


def gather() -> Overview:
    """Ask the ledgers and Redis; raises what Django raises while PostgreSQL is away."""
    now = database_now()
    reported, declared = reports(now)
    alive, silent = living(now)
    consumed = [name for service in declared.platform.services for name in service.queues]
    found = queues(consumed, alive, now)
    messages = in_redis(queue.name for queue in found)
    dead = Job.objects.filter(state=Job.State.DEAD)
    first_death = dead.order_by("finished_at").values_list("finished_at", flat=True).first()
    dead_count = sum(queue.dead for queue in found)
    return Overview(
        now=now,
        services=list(services(declared.platform.services, alive)),
        silent=silent,
        queues=found,
        messages=messages,
        reports=reported,
        unknown=table.not_known_yet(declared.platform.cronjobs, reported),
        dead=list(
            dead.order_by("-finished_at").defer("args", "kwargs", "history", "traceback")[:DEAD_LETTERS]
        ),
        dead_count=dead_count,
        troubles=[
            *headline.of_redis(is_away=messages is None),
            *headline.of_neighbours(neighbouring()),
            *headline.of_workers(alive, silent, now),
            *headline.of_cronjobs(reported),
            *(headline.of_queues(found, now) if alive else ()),
            *headline.of_refused_jobs(),
            *headline.of_dead_letters(dead_count, first_death),
            *headline.of_messages(put_aside() if messages is not None else 0),
        ],
        last_incident=headline.last_over(),
    )


def living(now: datetime) -> tuple[list[Worker], list[Worker]]:
    """Return the workers that live, and those that have been silent for too long to be taken for alive."""
    oldest = now - timedelta(seconds=conf().heartbeat_timeout)
    known = list(Worker.objects.order_by("hostname", "pid"))
    return [each for each in known if each.heartbeat_at >= oldest], [
        each for each in known if each.heartbeat_at < oldest
    ]


def services(declared: Iterable[spec.Service], alive: Sequence[Worker]) -> Iterator[ServiceStatus]:
    """Yield the services of platform.yaml, each with the workers that consume its queues, and one for all others."""
    strangers = list(alive)
    for service in declared:
        own = [worker for worker in strangers if service.queues and set(worker.queues) == set(service.queues)]
        strangers = [worker for worker in strangers if worker not in own]
        yield ServiceStatus(service.name, service.queues, service.instances, own)
    if strangers:
        yield ServiceStatus("not in platform.yaml", (), spec.Instances(), strangers)


def put_aside() -> int:
    """Return how many messages no worker could take; none while Redis does not answer."""
    try:
        return unreadable_store.how_many()
    except redis.RedisError:
        return 0


def neighbouring() -> list[str]:
    """Return the databases of other ledgers that use our queues; none while Redis does not answer."""
    try:
        return other_ledgers.others()
    except redis.RedisError:
        return []


def in_redis(names: Iterable[str]) -> dict[str, int] | None:
    """Return how many messages wait in each queue, None while Redis does not answer."""
    try:
        return {name: broker.waiting(name) for name in names}
    except redis.RedisError:
        return None
