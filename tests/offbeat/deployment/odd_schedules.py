"""Schedules that are hard for a scheduler, and the hours in which they are: a month's end, and each change of the clock."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from offbeat.deployment.schedule import Schedule
from offbeat.deployment.spec import CronJobSpec
from tests.offbeat.deployment.cron_walk import changes_of_clock
from tests.offbeat.deployment.golden.variants import CASES

SCHEDULES = (
    ("*/7 * * * *", "UTC"),
    ("*/5 * * * *", "Europe/Berlin"),
    ("7-52/15 * * * *", "America/New_York"),
    ("0 */5 * * *", "UTC"),
    ("0 */5 * * *", "America/St_Johns"),
    ("30 */7 * * *", "Europe/London"),
    ("0 */2 * * *", "Europe/Berlin"),
    ("0 0 */2 * *", "Africa/Cairo"),
    ("30 1 */3 * *", "America/New_York"),
    ("0 3 */5 */5 *", "UTC"),
    ("30 1 * * *", "America/New_York"),
    ("30 2 * * *", "America/New_York"),
    ("0 3 * * *", "Europe/Berlin"),
    ("59 1 * * *", "Europe/London"),
    ("0 0 * * *", "America/Havana"),
    ("0 9 * * SUN", "America/Havana"),
    ("15 9 * * FRI", "Africa/Cairo"),
    ("0 12 1-7 * *", "America/Santiago"),
    ("0 3 * * *", "Africa/Casablanca"),
    ("*/20 2,3 * * *", "Africa/Casablanca"),
    ("*/2 1,2 * * *", "Australia/Lord_Howe"),
    ("45 1 * * *", "Australia/Lord_Howe"),
    ("15,45 3-5/2 * * *", "Australia/Lord_Howe"),
    ("0 */2 * * *", "Pacific/Chatham"),
    ("15,45 1-3 * */3 *", "Pacific/Chatham"),
)
ODD = replace(
    CASES["v0-own"],
    cronjobs=tuple(
        CronJobSpec(
            name=f"odd{number}", schedule=schedule, timezone=zone, command=f"python manage.py odd{number}"
        )
        for number, (schedule, zone) in enumerate(SCHEDULES)
    ),
)
ALL = CASES | {"odd": ODD}
MONTHS_ENDS = tuple(
    datetime(*day, tzinfo=UTC) for day in ((2027, 2, 1), (2027, 3, 1), (2028, 2, 29), (2028, 3, 1))
)
HOUR = timedelta(hours=1)


def windows(zone: str) -> Iterator[tuple[datetime, datetime]]:
    """Give the hours around months' ends and around the changes of a zone's clock in a year."""
    yield from ((each - HOUR, each + 5 * HOUR) for each in MONTHS_ENDS)
    # A change is known as a moment that is up to six hours later.
    yield from ((each - 8 * HOUR, each + 2 * HOUR) for each in changes_of_clock(zone, range(2027, 2028)))


def slots(cronjob: CronJobSpec, window: tuple[datetime, datetime]) -> list[datetime]:
    return list(Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name).slots(*window))
