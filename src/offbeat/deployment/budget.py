"""How many connections the services may hold at once, against what the plans of the servers allow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offbeat.container import MIB, WEB, WEB_THREADS, WORKER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from offbeat.deployment.spec import Platform, Service

# Its threads: one beats, one relays and reconciles, one does the periodic tasks of cronjobs and ops.
POSTGRES_OF_A_WORKER = 3
# Measured with Celery's gossip, mingle and heartbeat off: two connections idle, two more a child under load.
REDIS_OF_A_WORKER = 6
# Of /tmp, where a platform lets us say so: heartbeats and small files. Without a limit, whatever fills it takes the memory of all.
SCRATCH = 64  # MiB
RABBITMQ_OF_A_WORKER = 3  # one consumes, one publishes, one asks how long the queues are
CONCURRENCY = re.compile(r"(?:^|\s)(?:--concurrency[ =]|-c[ =]?)[\"']?(\d+)")
REDIS_OF_A_WEB_PROCESS = 2
"""The size of Celery's broker pool (CELERY_BROKER_POOL_LIMIT)."""


@dataclass(frozen=True)
class Demand:
    """Connections that all instances of one kind of process hold at most."""

    process: str
    postgres: int
    redis: int
    rabbitmq: int


def demands(platform: Platform) -> Iterator[Demand]:
    """Give each service at its most instances, then what cronjobs and the release command add."""
    for service in platform.services:
        yield Demand(service.name, *(count * service.instances.max for count in _of_one(service, platform)))
    if count := len(platform.cronjobs):
        yield Demand("cronjobs", count, count, count)
    if platform.release:
        yield Demand("release", 1, 1, 1)


def overdrafts(platform: Platform) -> Iterator[str]:
    """Tell, a sentence each, which server has fewer connections than we may open."""
    needed = list(demands(platform))
    for kind, resource in platform.resources.items():
        parts = [(demand.process, getattr(demand, kind)) for demand in needed]
        total = sum(count for _, count in parts)
        if resource.connections and total > resource.connections:
            sums = ", ".join(f"{process} {count}" for process, count in parts)
            yield (
                f"resources/{kind}/connections: should be at least {total} ({sums}), "
                f"got {resource.connections}: "
                f"the server would refuse the others, and during a deploy old and new instances run at once"
            )


def concurrency(service: Service, platform: Platform) -> tuple[str, int]:
    """Give the variable that says how many processes, threads or greenlets a service runs, and the number.

    It is the command's, the file's, or what its container chooses.
    """
    name, footprint = ("WORKER_CONCURRENCY", WORKER) if service.queues else ("WEB_CONCURRENCY", WEB)
    given = commanded(service) or _number(platform, name, service)
    return name, given or footprint.fitting(service.cpu, service.memory * MIB)


def commanded(service: Service) -> int:
    """Give the number that a worker's own command says, 0 where it says none."""
    said = CONCURRENCY.findall(service.command) if service.queues else []
    return int(said[-1]) if said else 0


def _of_one(service: Service, platform: Platform) -> tuple[int, int, int]:
    """Give the connections of one instance: each process, thread or greenlet of a worker has one, and its main process a few."""
    _, count = concurrency(service, platform)
    if service.queues:
        return count + POSTGRES_OF_A_WORKER, count + REDIS_OF_A_WORKER, count + RABBITMQ_OF_A_WORKER
    threads = _number(platform, "WEB_THREADS", service) or WEB_THREADS
    return count * threads, count * REDIS_OF_A_WEB_PROCESS, count * REDIS_OF_A_WEB_PROCESS


def _number(platform: Platform, name: str, service: Service) -> int:
    """Give the number that the file sets a variable of a service to, 0 where it does not."""
    default = next((each.default for each in platform.env_of(service.name) if each.name == name), None)
    return int(default) if default and default.isdigit() else 0
