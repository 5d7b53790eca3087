"""What a keeper does every few seconds; other apps add their own from `AppConfig.ready()`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Duty:
    """Something done every `interval` seconds, in every worker; it must not mind being done by two at once."""

    name: str
    interval: float
    act: Callable[[], Any]
    next_at: float = 0.0  # monotonic seconds
    pause: float | None = (
        None  # seconds until it is tried again where it was not possible; the interval, where not given
    )


_registered: dict[str, Duty] = {}


def register(name: str, interval: float, act: Callable[[], Any]) -> None:
    """Have every worker call `act()` about every `interval` seconds, from a thread of its own.

    A database or Redis error is told once and tried again at the next turn; another exception is logged each time.
    """
    _registered[name] = Duty(name, interval, act)


def registered() -> list[Duty]:
    """Return the duties that other apps have added."""
    return [replace(duty) for duty in _registered.values()]
