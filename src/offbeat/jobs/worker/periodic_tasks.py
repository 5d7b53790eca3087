"""What a worker does every few seconds; other apps add their own from `AppConfig.ready()`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class PeriodicTask:
    """Something done every `interval` seconds, in every worker; it must not mind being done by two at once."""

    name: str
    interval: float
    act: Callable[[], Any]
    next_at: float = 0.0  # monotonic seconds
    # Seconds until it is tried again where it was not possible; the interval, where not given.
    pause: float | None = None


_registered: dict[str, PeriodicTask] = {}


def register(name: str, interval: float, act: Callable[[], Any]) -> None:
    """Have every worker call `act()` about every `interval` seconds, from a thread of its own.

    A database or Redis error is reported once and tried again at the next turn; another exception is logged each time.
    """
    _registered[name] = PeriodicTask(name, interval, act)


def registered() -> list[PeriodicTask]:
    """Return those that other apps have added."""
    return [replace(task) for task in _registered.values()]
