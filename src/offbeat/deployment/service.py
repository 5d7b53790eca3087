"""A service of platform.yaml: its keys, and the rules between them."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from offbeat.deployment.kinds import COMMAND, Listing, Scalar, found, number
from offbeat.deployment.names import PATH, QUEUE_NAME, SERVICE_NAME
from offbeat.deployment.pools import pool_problem
from offbeat.deployment.records import Record, entry
from offbeat.deployment.rules import beat_problem, queues_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

# ruff: noqa: RUF009 - entry() declares a field, as dataclasses.field() does

# A stopping worker hands its jobs back and closes within 7 s; WORKER_GRACE in the settings has the same bound.
SHORTEST_STOP = 10


def _health(value: object) -> object:
    if isinstance(value, str) and value.startswith("/"):
        return PATH.convert(value)
    return COMMAND.convert(value)


HEALTH = Scalar(_health, {"type": "string", "minLength": 1})


@dataclass(frozen=True, kw_only=True)
class Instances:
    """How many containers of a service run at once."""

    min: int = entry(
        number(0, 1000, "instances"), "The smallest number. A service with queues needs at least one.", 1
    )
    max: int = entry(
        number(1, 1000, "instances"), "The largest number, if the platform scales automatically.", 1
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        if self.max < self.min:
            yield "max", f"should be at least min ({self.min}), got {self.max}"


INSTANCES = Record(
    Instances, short=(number(0, 1000, "instances"), lambda count: Instances(min=count, max=max(count, 1)))
)


@dataclass(frozen=True, kw_only=True)
class Service:
    """A long-running process made from the image."""

    name: str = entry(SERVICE_NAME, "Its name on the platform: a-z and 0-9, at most 24.")
    command: str = entry(COMMAND, "One program and its arguments; no shell, so no `&&`, no `$NAME`.")
    queues: tuple[str, ...] = entry(
        Listing(QUEUE_NAME), "The queues that it consumes. A service with queues is a worker.", ()
    )
    instances: Instances = entry(
        INSTANCES, "How many run at once: a number, or `{min: 1, max: 3}`.", Instances()
    )
    cpu: float = entry(number(0.1, 64, "CPUs", integer=False), "CPUs that one instance may use.", 0.5)
    memory: int = entry(number(64, 262144, "MiB"), "Memory of one instance, in MiB.", 512)
    port: int | None = entry(
        number(1, 65535, "a port"), "The port of its HTTP server. The service gets it as PORT.", None
    )
    health: str | None = entry(
        HEALTH,
        "With a port: the path that answers 200. Without: a command that exits with 0 while the service is running.",
        None,
    )
    ready: str | None = entry(
        PATH,
        "The path that answers 200 when the service accepts requests, if a platform uses that too.",
        None,
    )
    grace: int = entry(
        number(1, 600, "seconds"),
        "Seconds from SIGTERM to SIGKILL. The service must need less time to stop.",
        30,
    )

    @property
    def argv(self) -> list[str]:
        return shlex.split(self.command)

    def problems(self) -> Iterator[tuple[str, str]]:
        if problem := beat_problem(self.command) or pool_problem(self.command):
            yield "command", problem
        if problem := queues_problem(self.command, self.queues):
            yield "queues", problem
        if self.queues and self.instances.min < 1:
            yield (
                "instances",
                f"should be at least 1 with queues, got {self.instances.min}: only a running worker runs jobs",
            )
        if self.queues and self.grace < SHORTEST_STOP:
            yield (
                "grace",
                f"should be at least {SHORTEST_STOP} with queues, got {self.grace}: returning jobs to the queue takes seconds",
            )
        if self.port and self.health and not self.health.startswith("/"):
            yield "health", f"should be a path for a service with a port, got {found(self.health)}"
        if not self.port and self.health and self.health.startswith("/"):
            yield "health", f"should be a command for a service without a port, got {found(self.health)}"
        if not self.port and self.ready:
            yield "ready", "should be removed for a service without a port: it gets no requests"
