"""A condition: something that is wrong now, in the one form in which pages, alerts, doctor, metrics and health paths say it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime


class Severity(IntEnum):
    """How bad it is."""

    WARNING = 1  # look at it soon
    ERROR = 2  # something does not work, and does not mend itself

    @property
    def word(self) -> str:
        return self.name.lower()


@dataclass(frozen=True)
class ConditionKind:
    """What is the same of all conditions of a kind."""

    name: str
    severity: Severity
    title: str  # in a few words: of a mail's subject, of a badge
    advice: str  # what to do
    patience: str = ""  # the setting of OFFBEAT_ALERTS that says how long it lasts before people are told; at once without one


@dataclass(frozen=True)
class Acknowledgement:
    """Somebody is looking at it, since a moment; `note` is what they want others to know."""

    by: str
    at: datetime
    note: str = ""

    def __str__(self) -> str:
        words = f"{self.by} is looking at it since {self.at.astimezone(UTC):%Y-%m-%d %H:%MZ}"
        return f"{words}: {self.note}" if self.note else words


@dataclass(frozen=True)
class Condition:
    """Something that is wrong now."""

    kind: ConditionKind
    subject: str  # the name of the cronjob, task, queue, worker or server
    text: str  # a sentence
    since: datetime | None = None
    last_at: datetime | None = None  # when it happened last, of what happens again and again
    noticed_at: datetime | None = None  # when the first check of alerts saw it: `since` may lie long before
    acknowledged: Acknowledgement | None = None

    @property
    def newest_at(self) -> datetime | None:
        """When it was news for the last time."""
        return max(filter(None, (self.since, self.noticed_at, self.last_at)), default=None)

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.name,
            "severity": self.kind.severity.word,
            "subject": self.subject,
            "text": self.text,
            "advice": self.kind.advice,
            "since": self.since.isoformat() if self.since else None,
            "acknowledged": self._acknowledged_as_json(),
        }

    def _acknowledged_as_json(self) -> dict[str, str] | None:
        found = self.acknowledged
        return {"by": found.by, "at": found.at.isoformat(), "note": found.note} if found else None
