"""The state of everything at one moment: asked for once, with a constant number of queries, by whoever presents it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from celery import current_app

from offbeat.cronjobs import statuses
from offbeat.cronjobs.clock import database_now
from offbeat.jobs import pauses, queries, refusal
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from offbeat.cronjobs.statuses import Report
    from offbeat.jobs.models import Pause
    from offbeat.jobs.queries import Depth, Tally
    from offbeat.jobs.refusal import Refused


@dataclass(frozen=True)
class Snapshot:
    """What the ledger says at one moment."""

    now: datetime
    workers: Sequence[Worker]  # those that are silent, too
    tallies: Sequence[Tally]
    reasons: Mapping[str, str]  # by task, of its newest dead letter
    refused: Sequence[Refused]
    reports: Sequence[Report]
    expected: frozenset[str]  # the queues that somebody must consume
    pauses: Sequence[Pause] = ()

    @classmethod
    def take(
        cls,
        now: datetime | None = None,
        reports: Sequence[Report] | None = None,
        declared: Sequence[str] | None = None,
    ) -> Snapshot:
        """Ask the ledger. A page brings what it remembers: the reports of cronjobs, and the queues that platform.yaml declares.

        Raises django.db.DatabaseError.
        """
        now = now or database_now()
        return cls(
            now=now,
            workers=list(Worker.objects.order_by("hostname", "pid")),
            tallies=queries.tallies(),
            reasons=queries.newest_reasons(),
            refused=refusal.refused(),
            reports=statuses.reports(now) if reports is None else reports,
            expected=expected_queues(declared),
            pauses=pauses.all_pauses(),
        )

    @cached_property
    def alive(self) -> list[Worker]:
        oldest = self.now - timedelta(seconds=conf().heartbeat_timeout)
        return [each for each in self.workers if each.heartbeat_at >= oldest]

    @cached_property
    def silent(self) -> list[Worker]:
        return [each for each in self.workers if each not in self.alive]

    @cached_property
    def consumed(self) -> list[str]:
        """The queues of workers that live and are not about to stop, once for each of them."""
        return [queue for worker in self.alive if not worker.stopping for queue in worker.queues]

    @cached_property
    def depths(self) -> dict[str, Depth]:
        return queries.depths(self.tallies)

    @cached_property
    def unpaused(self) -> dict[str, Depth]:
        """How deep each queue is without the jobs that a pause holds."""
        return queries.depths(
            each for each in self.tallies if not pauses.pause_of(self.pauses, each.queue, each.task)
        )

    @cached_property
    def waiting(self) -> list[str]:
        """The queues in which jobs wait."""
        return [name for name, depth in self.depths.items() if depth.waiting]


def expected_queues(declared: Iterable[str] | None = None) -> frozenset[str]:
    """Return the queues that somebody must consume: those that platform.yaml declares, and the one of tasks without a route."""
    queues = declared_queues() if declared is None else declared
    return frozenset({current_app.conf.task_default_queue, *queues})


def declared_queues() -> list[str]:
    from offbeat.deployment import spec  # noqa: PLC0415  YAML costs 30 ms

    try:
        return [queue for service in spec.read().services for queue in service.queues]
    except spec.PlatformError:
        return []  # check_platform tells what is wrong with it
