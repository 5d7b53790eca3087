"""A finding: what was looked at, how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """How bad it is; the worst one is the exit code."""

    GREEN = 0
    YELLOW = 1  # look at it soon: something is not as it should be, or could not be checked
    RED = 2  # something does not work, or is about to

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class Finding:
    """One row of the table."""

    name: str
    level: Level
    found: str
    advice: str = ""


def green(name: str, found: str) -> Finding:
    return Finding(name, Level.GREEN, found)


def yellow(name: str, found: str, advice: str) -> Finding:
    return Finding(name, Level.YELLOW, found, advice)


def red(name: str, found: str, advice: str) -> Finding:
    return Finding(name, Level.RED, found, advice)


def graded(name: str, found: str, *, is_red: bool, is_yellow: bool, advice: str) -> Finding:
    """Return the finding at the worst level that applies."""
    level = Level.RED if is_red else Level.YELLOW if is_yellow else Level.GREEN
    return Finding(name, level, found, advice if level else "")
