"""Schedule arithmetic: which moments a cronjob's schedule names, across the changes of daylight saving time.

The rule is Debian cron's: an entry whose minute or hour begins with ``*`` follows real time; every other
entry fires once in an hour that the clock repeats, and just after a gap that swallowed its time.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from offbeat.deployment.schedule_fields import ScheduleError
from offbeat.deployment.schedule_text import normalised
from offbeat.deployment.schedule_zones import change_of_offset, check_zone

__all__ = ["Schedule", "ScheduleError"]

MINUTE = timedelta(minutes=1)
# Clocks run from UTC-12 to UTC+14: so much later, every clock has passed the wall time that it shows now.
WIDEST_OFFSET = timedelta(hours=26)


@dataclass(frozen=True)
class Schedule:
    """A cron expression in a time zone. Moments are aware datetimes; those returned are in UTC.

    cronsim serves as the calendar of naive wall-clock times only. Given an aware start, cronsim 2.8 errs
    where the clock changes: inside the repeated hour its forward walk may begin with a past slot and its
    reverse answer yesterday's; where Lord Howe's clock goes back by 30 minutes, ``*/2`` hours lose 02:00.
    So the wall times are mapped to UTC here. One choice goes beyond Debian, which takes a jump of three hours
    and more for a correction and drops what was skipped: here a skipped slot always comes just after the gap.
    """

    expression: str
    cron: str
    timezone: str = "UTC"

    @classmethod
    def parse(cls, expression: str, timezone: str = "UTC", name: str = "") -> "Schedule":
        """Read a schedule as written in platform.yaml; ``name`` is the cronjob's, from which ``H`` is drawn.

        Raises :class:`ScheduleError`: unsupported text, an unknown time zone, a date that never comes.
        """
        cron = normalised(expression, name)
        check_zone(timezone)
        _check_occurs(expression, cron)
        return cls(expression, cron, timezone)

    @property
    def is_interval(self) -> bool:
        """Whether the minute or the hour begins with ``*``: such an entry follows real time."""
        minute, hour, *_ = self.cron.split()
        return minute.startswith("*") or hour.startswith("*")

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    def slots(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """Yield every slot with ``after < slot <= until`` once, ascending."""
        last, until = _utc(after), _utc(until)
        for slot in self._moments(self._anchor(last)):
            if slot > until:
                return
            # Wall times that fell into one gap are one slot.
            if slot > last:
                last = slot
                yield slot

    def next(self, after: datetime) -> datetime:
        """Return the first slot later than ``after``."""
        return next(self.slots(after, datetime.max.replace(tzinfo=UTC)))

    def previous(self, before_or_at: datetime) -> datetime:
        """Return the latest slot that is not later than ``before_or_at``."""
        moment = _utc(before_or_at)
        walls = CronSim(self.cron, self._wall(moment), reverse=True)
        earliest = next(moments[0] for moments in map(self._moments_of, walls) if moments)
        # Later wall times may have come since, or earlier in a repeated hour: the walk forward decides.
        *_, latest = self.slots(earliest - MINUTE, moment)
        return latest

    def in_words(self) -> str:
        """Return the schedule in English: ``At 09:00, only on Monday (Europe/Berlin)``."""
        from offbeat.deployment.schedule_words import in_words  # noqa: PLC0415 -- no wake-up needs it

        return in_words(self)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    def _anchor(self, after: datetime) -> datetime:
        """Return the wall time to start from: that of ``after``, or earlier if the clock goes back soon."""
        wall = self._wall(after)
        advance = self._wall(after + WIDEST_OFFSET) - wall
        return wall - max(WIDEST_OFFSET - advance, timedelta(0))

    def _moments(self, anchor: datetime) -> Iterator[datetime]:
        """Yield the moments of matching wall times from ``anchor`` on, ascending; a gap repeats its end."""
        repeated: deque[datetime] = deque()
        for moments in map(self._moments_of, CronSim(self.cron, anchor)):
            for moment in moments[:1]:
                while repeated and repeated[0] < moment:
                    yield repeated.popleft()
                yield moment
            repeated.extend(moments[1:])

    def _moments_of(self, wall: datetime) -> tuple[datetime, ...]:
        """Return when an entry for ``wall`` fires: once, or never or twice where the clock changes."""
        local = wall.replace(tzinfo=self.zone)
        first, second = local.astimezone(UTC), local.replace(fold=1).astimezone(UTC)
        if first == second:
            return (first,)
        is_repeated = first < second
        if self.is_interval:
            return (first, second) if is_repeated else ()
        return (first,) if is_repeated else (change_of_offset(self.zone, second, first),)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a time needs a time zone, got {moment!r}")
    return moment.astimezone(UTC)


def _check_occurs(expression: str, cron: str) -> None:
    if any(field.startswith("*") for field in cron.split()[2:4]):
        return  # every month has a 1st, and January every day
    try:
        next(CronSim(cron, datetime(2000, 1, 1)))  # noqa: DTZ001 -- a wall time
    except (CronSimError, StopIteration):
        day, month = expression.split()[2:4]
        raise ScheduleError(
            f'day of month: "{day}" does not exist in month "{month}" ("{expression}")'
        ) from None
