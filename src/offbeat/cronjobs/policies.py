"""The policies of a cronjob: what becomes of slots that were not on time, in the terms of Temporal and Kubernetes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from offbeat.jobs import levels

if TYPE_CHECKING:
    from datetime import datetime

    from offbeat.deployment.schedule import Schedule

CATCH_UP = ("latest", "skip", "all")
OVERLAP = ("skip", "buffer_one", "allow")

MOST_AT_ONCE = 100  # slots that `catch_up = "all"` enqueues in one wake-up, and that one backfill may have
SHORTEST_DEADLINE = timedelta(
    minutes=10
)  # a worker that restarts, or works off a queue, must not cost a slot


class PolicyError(ValueError):
    """A policy of a command is not one: the message says which, and what it may be."""


class TooManySlotsError(ValueError):
    """A backfill has more slots than one may have: narrow it."""


@dataclass(frozen=True)
class Policies:
    """What an EnqueueCommand says of its slots."""

    catch_up: str = "latest"
    catch_up_window: timedelta = timedelta(hours=24)
    overlap: str = "skip"
    starting_deadline: timedelta | None = None
    late_after: timedelta = timedelta(minutes=5)
    priority: int | None = None

    @classmethod
    def of(cls, command: Any) -> Policies:
        """Read them from a command's attributes; raises PolicyError."""
        policies = cls(
            command.catch_up,
            command.catch_up_window,
            command.overlap,
            command.starting_deadline,
            getattr(command, name_of_late_after(command)),
            command.priority,
        )
        policies.check()
        return policies

    def check(self) -> None:
        """Raise PolicyError for the first value that is none."""
        _one_of("catch_up", self.catch_up, CATCH_UP)
        _one_of("overlap", self.overlap, OVERLAP)
        _positive("catch_up_window", self.catch_up_window)
        _positive("late_after", self.late_after)
        if self.starting_deadline is not None:
            _positive("starting_deadline", self.starting_deadline)
        if self.priority is not None and not levels.is_priority(self.priority):
            raise PolicyError(f"priority should be {levels.PRIORITIES}, got {self.priority!r}")

    def not_after(self, slot: datetime, schedule: Schedule) -> datetime | None:
        """Return until when the job of a slot must have started.

        By default until the next slot, whose job takes its place, but at least ten minutes; never where every slot counts.
        """
        if self.starting_deadline is not None:
            return slot + self.starting_deadline
        if self.catch_up == "all":
            return None
        return max(schedule.next(slot), slot + SHORTEST_DEADLINE)

    @property
    def when_busy(self) -> str:
        """Return what a job does that would start while another one of its cronjob runs.

        Where every slot counts, none is given up: the jobs follow one another.
        """
        return "skip" if self.overlap == "skip" and self.catch_up != "all" else "wait"


def name_of_late_after(command: Any) -> str:
    """Return "late_after", or "grace" for a command that still has the name of older versions."""
    places = [vars(command), *map(vars, type(command).__mro__)]
    return next(name for place in places for name in ("late_after", "grace") if name in place)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise PolicyError(f"{name} should be one of {', '.join(allowed)}, got {value!r}")


def _positive(name: str, value: object) -> None:
    if not isinstance(value, timedelta) or value <= timedelta(0):
        raise PolicyError(f"{name} should be a timedelta above zero, got {value!r}")
