"""When an entry of Beat's runs: every form of a schedule has a line of cron, and its time zone."""

import os
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import schedules
from celery.beat import ScheduleEntry

from offbeat.cronjobs.beat.time_zones import name_of
from tests.offbeat.cronjobs.conftest import HOURLY, PLANTS
from tests.offbeat.sample_project import celery_app


def test_every_form_of_an_interval(printed):
    """A relative one begins where its unit does; an entry may be an object of Beat's own."""
    entries = {
        "relative day": HOURLY | {"schedule": timedelta(days=1), "relative": True},
        "relative hours": HOURLY | {"schedule": schedules.schedule(7200, relative=True)},
        "object": ScheduleEntry(name="x", task=PLANTS, schedule=600, app=celery_app),
    }

    cronjobs, _, _ = printed(entries)

    assert [each["schedule"] for each in cronjobs.values()] == ["0 0 * * *", "0 */2 * * *", "*/10 * * * *"]


def test_days_of_the_month_in_full_do_not_widen_weekdays(printed):
    """In cron 1-31 beside a weekday would mean every day."""
    cronjobs, _, _ = printed(
        {"x": HOURLY | {"schedule": schedules.crontab(0, 9, day_of_month="1-31", day_of_week="mon")}}
    )

    assert cronjobs["cron-x"]["schedule"] == "0 9 * * mon"


def test_the_time_zone_of_a_crontab(printed):
    """It is Celery's, or that of nowfun, which the line above then says."""
    entries = {
        "app": HOURLY | {"schedule": schedules.crontab(hour=9)},
        "naive": HOURLY | {"schedule": schedules.crontab(hour=9, nowfun=datetime.now)},
        "own": HOURLY
        | {"schedule": schedules.crontab(hour=9, nowfun=lambda: datetime.now(ZoneInfo("America/New_York")))},
    }

    cronjobs, _, out = printed(entries)

    assert [each["timezone"] for each in cronjobs.values()] == [
        "Europe/Berlin",
        "Europe/Berlin",
        "America/New_York",
    ]
    assert "# America/New_York is the time zone of its nowfun" in out
    assert "which has no time zone: Europe/Berlin is taken" in out


@pytest.mark.parametrize(
    ("zone", "expected"), [("+02:00", "Etc/GMT-2"), ("-03:00", "Etc/GMT+3"), ("+00:00", "UTC")]
)
def test_a_fixed_offset(zone, expected):
    """It has a name in the database, too."""
    assert name_of(datetime.fromisoformat(f"2026-01-01T00:00{zone}").tzinfo) == expected


def test_an_offset_that_no_zone_has(printed):
    """Half an hour is no name, and the entry is left."""
    tokyo = datetime.fromisoformat("2026-01-01T00:00+09:30")

    _, left, _ = printed(
        {"half": HOURLY | {"schedule": schedules.crontab(nowfun=lambda: tokyo)}}, code=os.EX_DATAERR
    )

    assert "name a zone of the tz database" in left["half"]
