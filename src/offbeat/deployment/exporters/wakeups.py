"""When a platform should run each cronjob's command: never less often than its schedule, in the platform's terms.

A wake-up that comes when no slot is due does nothing, so a superset of the schedule is always right; only late or
missing wake-ups need a warning.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise, product
from typing import TYPE_CHECKING

from offbeat.deployment.exporters.names import fitted
from offbeat.deployment.schedule import Schedule
from offbeat.deployment.schedule_fields import FIELDS
from offbeat.deployment.schedule_lines import local_cron_lines, utc_cron_lines
from offbeat.deployment.schedule_text import values
from offbeat.deployment.schedule_zones import MINUTE, changed_times, ends_of_gaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offbeat.deployment.exporters.facts import Facts
    from offbeat.deployment.spec import CronJobSpec, Platform

TICK = "python manage.py tick"
UTC_ZONE = "UTC"
# As long as a cronjob's own: DigitalOcean takes no more.
LONGEST_NAME = 32


@dataclass(frozen=True)
class WakeUp:
    """One entry of a platform's cron: its line is five numeric fields, in the time zone beside it."""

    name: str
    line: str
    zone: str
    command: str
    cronjob: str
    """The cronjob that it is for; "tick" for all."""
    late: int = 0
    """Minutes that it may come after a slot, because the platform allows no shorter interval."""


Plan = tuple[tuple[WakeUp, ...], tuple[str, ...]]


def plan_wake_ups(platform: Platform, facts: Facts, tick: int | None) -> Plan:
    """Give the wake-ups for a platform, and a warning for each slot that will be late or merged."""
    if not platform.cronjobs:
        return (), ()
    if facts.zone == "file":
        return tuple(_of_file(platform)), (
            "--tick has no effect: a process of Offbeat runs the schedules",
        ) if tick else ()
    minutes = _usual_tick(platform, facts) if tick is None else tick
    if minutes:
        return _ticks(platform, max(minutes, facts.floor))
    wake_ups = tuple(_named(wake_up for cronjob in platform.cronjobs for wake_up in _of(cronjob, facts)))
    if facts.most_crons and len(wake_ups) > facts.most_crons:
        ticks, late = _ticks(platform, max(10, facts.floor))
        limit = (
            f"{len(wake_ups)} entries where {facts.title} allows {facts.most_crons}: one tick in their place"
        )
        return ticks, (f"cronjobs: {limit}", *late)
    return wake_ups, tuple(_warnings(platform, facts, wake_ups))


def every(minutes: int) -> str:
    """Give the cron line for an interval that divides an hour or a day; others are rounded down to one that does."""
    if minutes < 60:
        fits = max(each for each in range(1, minutes + 1) if 60 % each == 0)
        return f"*/{fits} * * * *" if fits > 1 else "* * * * *"
    fits = max(each for each in range(1, min(minutes // 60, 24) + 1) if 24 % each == 0)
    return {1: "0 * * * *", 24: "0 0 * * *"}.get(fits, f"0 */{fits} * * *")


def shortest_interval(line: str) -> int:
    """Give the minutes between the two closest times of day that a numeric cron line names."""
    times = sorted(60 * hour + minute for hour, minute in _times(line))
    return min(later - earlier for earlier, later in pairwise([*times, times[0] + 24 * 60]))


def _ticks(platform: Platform, minutes: int) -> Plan:
    return (WakeUp("tick", every(minutes), UTC_ZONE, TICK, "tick"),), tuple(_late(platform, minutes))


def _usual_tick(platform: Platform, facts: Facts) -> int:
    """Give the minutes between ticks where nobody says: never more than between two slots of a cronjob, so that none are merged."""
    intervals = [shortest_interval(_schedule(each).cron) for each in platform.cronjobs]
    return min(facts.tick, *intervals) if facts.tick else 0


def _of_file(platform: Platform) -> Iterator[WakeUp]:
    for cronjob in platform.cronjobs:
        yield WakeUp(cronjob.name, _schedule(cronjob).cron, cronjob.timezone, cronjob.command, cronjob.name)


def _of(cronjob: CronJobSpec, facts: Facts) -> Iterator[WakeUp]:
    lines, zone = _lines(_schedule(cronjob), facts)
    if any(shortest_interval(line) < facts.floor for line in lines):
        yield WakeUp(cronjob.name, every(facts.floor), UTC_ZONE, cronjob.command, cronjob.name, facts.floor)
        return
    for line in lines:
        yield WakeUp(cronjob.name, line, zone, cronjob.command, cronjob.name)


def _schedule(cronjob: CronJobSpec) -> Schedule:
    return Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name)


def _named(wake_ups: Iterable[WakeUp]) -> Iterator[WakeUp]:
    """Give every wake-up a name of its own: a cronjob's second line is name-2, whatever else there is.

    Only a cronjob that is itself called so makes it another: a number beyond the lines, so that no other line changes.
    """
    wake_ups = list(wake_ups)
    lines = Counter(wake_up.name for wake_up in wake_ups)
    seen: Counter[str] = Counter()
    for wake_up in wake_ups:
        number = seen[wake_up.name] = seen[wake_up.name] + 1
        name = wake_up.name
        while number > 1 and (name := fitted(f"{wake_up.name}-{number}", LONGEST_NAME)) in lines:
            number += lines[wake_up.name] - 1
        yield replace(wake_up, name=name)


def _lines(schedule: Schedule, facts: Facts) -> tuple[list[str], str]:
    if facts.zone == "each" and not _loses(schedule, facts):
        return local_cron_lines(schedule), schedule.timezone
    return utc_cron_lines(schedule), UTC_ZONE


def _loses(schedule: Schedule, facts: Facts) -> bool:
    """Tell whether a scheduler that reads the line in its own zone could miss a slot when the clock is changed.

    One that runs a repeated hour once counts in wall time. systemd's loses even 3:45, where a gap that ends there has
    swallowed 3:15. The others go on by real time: they miss only what we put off to a gap's end, a fixed time.
    """
    skipped, repeated = changed_times(schedule.timezone)
    counts_wall_time = facts.repeated != "twice"
    risky = skipped | repeated if counts_wall_time else frozenset() if schedule.is_interval else skipped
    return bool(_times(schedule.cron) & risky) or _trips_walkers(schedule)


def _trips_walkers(schedule: Schedule) -> bool:
    """Tell whether the zone has a gap that schedulers stumble over which walk the calendar in steps of days and hours.

    robfig/cron, which is Kubernetes', loses a day that it looks for and that has no midnight (Sundays in
    Havana), and minutes after a change of half an hour (Lord Howe).
    """
    is_for_some_days = schedule.cron.split()[2:] != ["*", "*", "*"]
    for end in ends_of_gaps(schedule.timezone):
        before, after = ((end - each).astimezone(schedule.zone) for each in (MINUTE, timedelta(0)))
        if (after.minute - before.minute) % 60 != 1:
            return True
        if is_for_some_days and before.date() != after.date() and (after.hour, after.minute) != (0, 0):
            return True
    return False


def _times(line: str) -> set[tuple[int, int]]:
    minutes, hours = (values(field, text) for field, text in zip(FIELDS[:2], line.split()[:2], strict=True))
    return set(product(hours, minutes))


def _warnings(platform: Platform, facts: Facts, wake_ups: tuple[WakeUp, ...]) -> Iterator[str]:
    for cronjob in platform.cronjobs:
        mine = [wake_up for wake_up in wake_ups if wake_up.cronjob == cronjob.name]
        if mine[0].late:
            yield (
                f"cronjobs/{cronjob.name}: triggered every {facts.floor} min, the shortest that {facts.title} allows: "
                "slots in between come late, or are merged by its catch_up"
            )
        elif mine[0].zone != cronjob.timezone and not _is_exact(cronjob, mine):
            yield (
                f"cronjobs/{cronjob.name}: triggered in UTC at every hour that {cronjob.timezone} can mean; "
                "the ones that are not its slots do nothing"
            )
    if facts.billed and len(wake_ups) > 1:
        yield f"cronjobs: {len(wake_ups)} entries are billed one by one; --tick 10 makes them one"


def _is_exact(cronjob: CronJobSpec, wake_ups: list[WakeUp]) -> bool:
    """Tell whether lines in UTC mean what the schedule does: its zone's clock is never changed, or it names every hour."""
    lines = local_cron_lines(_schedule(cronjob))
    return not any(changed_times(cronjob.timezone)) or [each.line for each in wake_ups] == lines


def _late(platform: Platform, minutes: int) -> Iterator[str]:
    for cronjob in platform.cronjobs:
        if shortest_interval(_schedule(cronjob).cron) < minutes:
            yield (
                f"cronjobs/{cronjob.name}: runs more often than the tick of {minutes} min: "
                "its slots come late, or are merged by its catch_up"
            )
    yield f"cronjobs: with one tick, slots come up to {minutes} min late"


def times_of_day(line: str) -> list[int]:
    """Give the minutes of the day that a numeric cron line names, ascending."""
    return sorted(60 * hour + minute for hour, minute in _times(line))
