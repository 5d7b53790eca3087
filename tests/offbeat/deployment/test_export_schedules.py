"""The schedules that exports print: time zones, a platform's floor, and one tick for all."""

import re

import pytest
import yaml
from django.core.management import CommandError, call_command

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.exports import document, export, files
from tests.offbeat.deployment.golden.variants import FOLDER


def with_cronjobs(*cronjobs):
    source = libyaml.one((FOLDER / "platform.yaml").read_text()) | {"cronjobs": list(cronjobs)}
    return spec.parse(yaml.safe_dump(source))


def test_nine_oclock_in_berlin_is_two_hours_in_utc():
    """A platform that counts in UTC is woken at both hours that the schedule can mean."""
    crons = {
        each["name"]: each["schedule"]
        for each in document("render", "render.yaml")["services"]
        if each["type"] == "cron"
    }

    assert crons["bakery-weekly-digest"] == "0 7,8 * * 1"


def test_a_platform_that_knows_time_zones_is_told_the_zone():
    """Where a zone can be said, the schedule is printed as it was written."""
    jobs = {each["name"]: each.get("schedule") for each in document("digitalocean", ".do/app.yaml")["jobs"]}

    assert jobs["weekly-digest"] == {"cron": "0 9 * * 1", "time_zone": "Europe/Berlin"}


def test_a_time_that_the_clock_skips_is_printed_in_utc():
    """Platforms skip half past two on the night when there is none; the ledger does not."""
    jobs = {each["name"]: each.get("schedule") for each in document("digitalocean", ".do/app.yaml")["jobs"]}

    assert jobs["night-shift"] == {"cron": "30 6,7 * * 0,5,6", "time_zone": "UTC"}
    assert jobs["night-shift-2"] == {"cron": "0 7 8-14 3 *", "time_zone": "UTC"}


def test_a_schedule_below_the_floor_is_woken_at_the_floor():
    """Every minute is every five on Railway, and the export says what becomes of the rest."""
    printed = export("railway")

    assert '"cronSchedule": "*/5 * * * *"' in printed.files[0].text
    assert any(line.startswith("cronjobs/every-minute: triggered every 5 min") for line in printed.warnings)


def test_more_entries_than_a_platform_takes_become_one_tick():
    """Scalingo takes five; the sixth would be refused by a deploy."""
    assert document("scalingo", "cron.json") == {"jobs": [{"command": "*/10 * * * * python manage.py tick"}]}
    assert (
        "cronjobs: 7 entries where Scalingo allows 5: one tick in their place" in export("scalingo").warnings
    )


def test_a_tick_is_one_entry_for_all():
    """Seven cron services become one, each slot up to ten minutes late."""
    printed = export("render", tick=10)
    crons = [each for each in libyaml.one(printed.files[0].text)["services"] if each["type"] == "cron"]

    assert [(each["schedule"], each["dockerCommand"]) for each in crons] == [
        ("*/10 * * * *", "python manage.py tick")
    ]
    assert "cronjobs: with one tick, slots come up to 10 min late" in printed.warnings
    assert "--tick 10" in printed.files[0].text


@pytest.mark.parametrize("minutes", [7, 60, 90, 1439, 1440])
@pytest.mark.parametrize("target", ["heroku", "ecs", "render"])
def test_a_tick_of_any_length_is_a_line_that_cron_takes(target, minutes):
    """A day is no step of hours."""
    assert "*/24" not in str(export(target, tick=minutes))


@pytest.mark.parametrize("minutes", ["-5", "1441", "x", "1.5"])
def test_a_tick_that_no_day_holds_is_refused(minutes):
    with pytest.raises(CommandError, match="a whole number of minutes from 0 to 1440"):
        call_command("export_platform", "render", f"--tick={minutes}")


def test_a_second_line_gets_a_name_that_nobody_has():
    """A cronjob of two lines beside one that is called like the second is still two."""
    night = {"schedule": "30 2 * * *", "timezone": "Europe/Berlin", "command": "python manage.py a"}
    platform = with_cronjobs(
        {"name": "night"} | night, {"name": "night-2", "schedule": "@daily", "command": "python manage.py b"}
    )

    crons = [
        each["name"]
        for each in document("render", "render.yaml", platform)["services"]
        if each["type"] == "cron"
    ]

    assert crons == ["bakery-night", "bakery-night-3", "bakery-night-2"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_platform_without_cronjobs_gets_none(target):
    """A fork that deletes every cronjob deploys all the same."""
    printed = "".join(files(target, with_cronjobs()).values())

    assert "tick" not in printed
    assert "cron.py" not in printed
    assert not re.search(r"^\s*(crons?|CronJob|cronSchedule)\b", printed, re.MULTILINE)
