"""The entries that django-celery-beat keeps in its tables, or in a dump of them."""

import json
import os

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection

from tests.offbeat.cronjobs.conftest import HOURLY, PLANTS


def row(name, **fields):
    return {
        "model": "django_celery_beat.periodictask",
        "pk": name,
        "fields": {"name": name, "task": PLANTS, "args": "[]", "kwargs": "{}", "enabled": True} | fields,
    }


def schedule(kind, pk, **fields):
    return {"model": f"django_celery_beat.{kind}schedule", "pk": pk, "fields": fields}


def crontab(pk, week="*", month="*", zone="UTC"):
    fields = {
        "minute": "0",
        "hour": "9",
        "day_of_week": week,
        "day_of_month": month,
        "month_of_year": "*",
        "timezone": zone,
    }
    return schedule("crontab", pk, **fields)


DUMP = [
    crontab(1, zone="Asia/Tokyo"),
    crontab(2, week="1,5-7"),
    crontab(3, week="nonsense"),
    schedule("interval", 1, every=1, period="days"),
    schedule("interval", 2, every=2, period="hours"),
    schedule("interval", 3, every=500, period="microseconds"),
    schedule("clocked", 1, clocked_time="2999-01-01T00:00:00Z"),
    row(
        "tokyo",
        crontab=1,
        priority=3,
        headers='{"a": 1}',
        queue="mail",
        expire_seconds=900,
        description="In Tokyo",
    ),
    row("sunday", crontab=2),
    row("nonsense", crontab=3),
    row("gone", crontab=99),
    row("daily", interval=1, start_time="2020-01-01T02:30:00Z"),
    row("two-hourly", interval=2, last_run_at="2026-11-01T13:07:00Z"),
    row("tiny", interval=3),
    row("future", interval=1, start_time="2999-01-01T00:00:00Z"),
    row("ended", interval=1, expires="2020-01-01T00:00:00Z"),
    row("ends", interval=2, expires="2999-01-01T00:00:00Z"),
    row("clocked", clocked=1, one_off=True),
    row("once", interval=1, one_off=True),
    row("was once", interval=1, one_off=True, total_run_count=1),
    row("broken", interval=1, args="[1,"),
    row("listed", interval=1, kwargs="[]"),
    row("no schedule"),
    row("copied", interval=1, enabled=False),
    row("also copied", interval=1),
]


def test_the_rows_of_a_dump(printed, tmp_path):
    """Every kind, from `dumpdata django_celery_beat`; an entry of the settings that Beat has copied is there once."""
    (tmp_path / "beat.json").write_text(json.dumps([*DUMP, {"model": "auth.user", "pk": 1, "fields": {}}]))

    cronjobs, left, out = printed(
        {"copied": HOURLY, "also copied": HOURLY}, "--rows", str(tmp_path / "beat.json"), code=os.EX_DATAERR
    )

    assert {name: (each["schedule"], each["timezone"]) for name, each in cronjobs.items()} == {
        "also-copied": ("H * * * *", "Europe/Berlin"),
        "daily": ("30 3 * * *", "Europe/Berlin"),
        "ends": ("H */2 * * *", "Europe/Berlin"),
        "sunday": ("0 9 * * 1,5-6,0", "UTC"),
        "tokyo": ("0 9 * * *", "Asia/Tokyo"),
        "two-hourly": ("7 */2 * * *", "Europe/Berlin"),
    }
    assert "# Celery refuses a day_of_week of 7, so Beat never ran this entry; here it is Sunday" in out
    assert "# Beat ends it at 2999-01-01 00:00 UTC: remove the cronjob then" in out
    for name, reason in {
        "nonsense": "Celery cannot read its crontab",
        "gone": "its crontab was deleted, so Beat does not run it",
        "tiny": "every 0.0005 s: a minute is cron's shortest",
        "future": "it starts at 2999-01-01 00:00 UTC",
        "ended": "it ended at 2020-01-01 00:00 UTC",
        "clocked": 'it runs once: enqueue it with task.using(run_at=datetime.fromisoformat("2999-01-01T00:00:00+00:00")).enqueue()',
        "once": "it runs once",
        "was once": "it runs once, and has run",
        "broken": "its args are not JSON",
        "listed": "its kwargs should be an object in JSON, got []",
        "no schedule": "it has no schedule, so Beat does not run it",
        "copied": "it is disabled",
    }.items():
        assert reason in left.pop(name)
    assert left == {}


@pytest.mark.parametrize(
    ("text", "message"), [(None, "No such file"), ("[", "should be JSON"), ("[1]", "should be what dumpdata")]
)
def test_a_dump_that_is_none(beat, tmp_path, text, message):
    """It is said in one line."""
    beat({})
    if text:
        (tmp_path / "beat.json").write_text(text)

    with pytest.raises(CommandError, match=message):
        call_command("import_beat", "--rows", str(tmp_path / "beat.json"))


def test_tables_that_do_not_answer(beat, run, monkeypatch):
    """The entries of the settings are printed all the same, and the line says what is missing."""
    from django.db import OperationalError  # noqa: PLC0415

    def refuse(*_):
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection.introspection, "table_names", refuse)
    beat({"one": HOURLY})

    out, _ = run("--folder", "/nowhere", code=os.EX_DATAERR)

    assert yaml.safe_load(out)["cronjobs"][0]["name"] == "one"
    assert "# not read: the tables of django-celery-beat: connection refused" in out
