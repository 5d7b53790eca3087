"""A condition: something that is wrong now, in the one form in which pages, alerts, doctor, metrics and health paths say it."""

from __future__ import annotations

from dataclasses import dataclass
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
class Condition:
    """Something that is wrong now."""

    kind: ConditionKind
    subject: str  # the name of the cronjob, task, queue, worker or server
    text: str  # a sentence
    since: datetime | None = None
    last_at: datetime | None = None  # when it happened last, of what happens again and again

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.name,
            "severity": self.kind.severity.word,
            "subject": self.subject,
            "text": self.text,
            "advice": self.kind.advice,
            "since": self.since.isoformat() if self.since else None,
        }
