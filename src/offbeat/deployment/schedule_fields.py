"""The five fields of a schedule: what each may hold, and what to write in place of what it may not."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

# What other crons know and five portable fields cannot say: the pattern meets "<label> <token>".
LAST = '; "L" (last) is not supported: '
UNSUPPORTED = {
    r".* \?": '; write "*"',
    r".* (\w*)#.*": '; "#" (n-th weekday) is not supported: '
    'write "{0}" and let the command return in the other weeks',
    r"day of week L": LAST + 'write "SAT"',
    r"day of week (\w+)L": LAST + 'write "{0}" and let the command return unless it is last',
    r"day of month L(?:W|-\w+)?": LAST + 'write "28-31" and let the command return on the others',
    r"day of month .*W": '; "W" (nearest weekday) is not supported: '
    'write "14-16" for 15 and return on the others',
}


class ScheduleError(ValueError):
    """A schedule that cannot be used. Show the message as it is: it says what would be right."""


@dataclass(frozen=True)
class Field:
    """One of the five fields: its bounds, the names it knows, and how high ``H`` may draw."""

    label: str
    low: int
    high: int
    highest_draw: int
    names: tuple[str, ...] = ()

    def number(self, token: str) -> int:
        """Return the value of a number or a name; Sunday may be 7 here, as in every cron."""
        if token.upper() in self.names:
            return self.names.index(token.upper()) + self.low
        if re.fullmatch(r"[0-9]{1,4}", token) and self.low <= int(token) <= self._highest_written:
            return int(token)
        raise ScheduleError(f'{self.label}: should be {self._bounds}, got "{token}"{self._hint(token)}')

    def span(self, start: int, end: int) -> list[int]:
        """Return the values from ``start`` to ``end`` in order, starting again at ``low`` after ``high``."""
        start = start if start <= self.high else self.low
        if start <= end:
            return list(range(start, end + 1))
        return [*range(start, self.high + 1), *range(self.low, end + 1)]

    @property
    def _highest_written(self) -> int:
        return 7 if self.names == DAYS else self.high

    @property
    def _bounds(self) -> str:
        names = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self._highest_written}{names}"

    def _hint(self, token: str) -> str:
        for pattern, hint in UNSUPPORTED.items():
            if found := re.fullmatch(pattern, f"{self.label} {token.upper()}"):
                return hint.format(*found.groups())
        return f'; write "{token[:3].upper()}"' if token[:3].upper() in self.names else ""


MINUTE = Field("minute", 0, 59, highest_draw=59)
HOUR = Field("hour", 0, 23, highest_draw=23)
# H never draws a day that some months lack.
DAY_OF_MONTH = Field("day of month", 1, 31, highest_draw=28)
MONTH = Field("month", 1, 12, highest_draw=12, names=MONTHS)
DAY_OF_WEEK = Field("day of week", 0, 6, highest_draw=6, names=DAYS)
FIELDS = (MINUTE, HOUR, DAY_OF_MONTH, MONTH, DAY_OF_WEEK)


def compact(numbers: Iterable[int]) -> str:
    """Return the usual spelling of some values: ``1-5``, ``7-52/15`` or ``0,1,22,23``."""
    ordered = sorted(numbers)
    steps = {later - earlier for earlier, later in pairwise(ordered)}
    if len(ordered) < 3 or len(steps) > 1:
        return ",".join(map(str, ordered))
    step = steps.pop()
    return f"{ordered[0]}-{ordered[-1]}" + (f"/{step}" if step > 1 else "")
