"""After which errors a task is tried again, and when."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offbeat.jobs.error_text import path_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """Errors after which a task is tried again, as with Celery's `autoretry_for`.

    `on`: classes of errors, or their paths. `max_retries`: then the job has failed; None is without end. `backoff`: seconds before
    the first retry, twice as many before each that follows, at most `backoff_max`; with `jitter` a random part of them.
    """

    on: tuple[type[BaseException] | str, ...]
    max_retries: int | None = 3
    backoff: float = 1.0
    backoff_max: float = 600.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.on, str | type):
            raise TypeError(f"Retry(on=...) should be a tuple of classes of errors, got {self.on!r}")
        for each in self.on:
            if not (isinstance(each, str) or (isinstance(each, type) and issubclass(each, BaseException))):
                raise TypeError(f"Retry(on=...) should have classes of errors, or their paths, got {each!r}")
        if self.max_retries is not None and not (isinstance(self.max_retries, int) and self.max_retries >= 0):
            raise TypeError(
                f"Retry(max_retries=...) should be a whole number, or None for no limit, got {self.max_retries!r}"
            )
        for name in ("backoff", "backoff_max"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and 0 <= value < math.inf):
                raise TypeError(f"Retry({name}=...) should be seconds, got {value!r}")

    def covers(self, error: BaseException) -> bool:
        """Tell whether another attempt may help; classes are compared by their paths, so that nothing is imported for it."""
        return not {path_of(kind) for kind in type(error).__mro__}.isdisjoint(self.paths())

    def paths(self) -> list[str]:
        return [each if isinstance(each, str) else path_of(each) for each in self.on]

    def countdown(self, retries: int) -> float:
        """Return the seconds to wait for the next attempt, after so many retries."""
        longest = min(self.backoff_max, self.backoff * 2 ** min(retries, 60))
        return random.uniform(0, longest) if self.jitter else longest  # noqa: S311  spreads, protects nothing

    def as_json(self) -> dict[str, Any]:
        return {
            "on": self.paths(),
            "max_retries": self.max_retries,
            "backoff": self.backoff,
            "backoff_max": self.backoff_max,
            "jitter": self.jitter,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Retry:
        return cls(**{**values, "on": tuple(values["on"])})
