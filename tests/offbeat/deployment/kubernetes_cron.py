"""When Kubernetes' CronJobs fire: robfig/cron's search in steps of days, hours and minutes, its stumbling included."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def fires(line, after, until):
    """Give the moments of a planned wake-up; each search begins at the moment before."""
    zone, moment = ZoneInfo(line.zone), after
    while (moment := _following(line, moment, zone)) <= until:
        yield moment


def _following(line, after, zone):
    """Go on until month and day, hour and minute match, and begin again where a search comes to a new day or hour."""
    moment, is_moved = after + MINUTE, False
    while True:
        wall = moment.astimezone(zone)
        if not _is_day(line, wall):
            moment, is_moved = _next_day(moment, zone, is_moved), True
        elif wall.hour not in line.hours:
            start = moment if is_moved else _instant(wall.replace(minute=0), zone)
            moment, is_moved = start + HOUR, True
            while (wall := moment.astimezone(zone)).hour != 0 and wall.hour not in line.hours:
                moment += HOUR
        elif wall.minute not in line.minutes:
            moment, is_moved = moment + MINUTE, True
            # Day and hour are asked again at the hour only: not where a gap ends at 3:45.
            while (wall := moment.astimezone(zone)).minute != 0 and wall.minute not in line.minutes:
                moment += MINUTE
            if wall.minute != 0:
                return moment
        else:
            return moment


def _is_day(line, wall):
    return wall.month in line.months and wall.day in line.days and wall.isoweekday() % 7 in line.weekdays


def _next_day(moment, zone, is_moved):
    """Go to the next midnight; where there is none, Go gives one o'clock, and the search takes an hour off that."""
    wall = moment.astimezone(zone)
    day = wall.replace(tzinfo=None, fold=0) + timedelta(days=1)
    day = day if is_moved else day.replace(hour=0, minute=0)
    found = _instant(day.replace(tzinfo=zone), zone)
    hour = found.astimezone(zone).hour
    return found + HOUR * (24 - hour if hour > 12 else -hour)


def _instant(wall, zone):
    """Give a wall time's moment as Go does: in a repeated hour the first, in a gap by the offset before it."""
    return datetime(wall.year, wall.month, wall.day, wall.hour, wall.minute, tzinfo=zone).astimezone(UTC)
