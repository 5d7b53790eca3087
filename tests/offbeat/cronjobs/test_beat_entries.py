"""Whatever an entry of Beat's holds, it is taken over, or a line of its own names it."""

import enum
import json
import os
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from celery import chain, group, schedules, shared_task
from celery.beat import BeatLazyFunc, ScheduleEntry
from django.core.management import CommandError, call_command
from django.db import connection

from offbeat.cronjobs.beat.time_zones import name_of
from tests.offbeat.cronjobs.conftest import water_the_plants
from tests.offbeat.cronjobs.test_import_beat import loaded
from tests.offbeat.sample_project import celery_app

PLANTS = "tests.offbeat.cronjobs.conftest.water_the_plants"
HERE = "tests.offbeat.cronjobs.test_beat_entries"
HOURLY = {"task": PLANTS, "schedule": 3600}


@shared_task
def take(*things, **options):
    """Take anything."""


@shared_task
def take_by_place(first, /, second=0, *, third=0):
    """Take one argument by its place alone."""


@shared_task(name="with-hyphen")
def help():  # noqa: A001  a name that a command has, too
    """Do nothing."""


@shared_task(rate_limit="1/m")
def seldom():
    """Be a task whose jobs would be refused."""


class Colour(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Tone(enum.StrEnum):
    LOUD = "loud"


class Ungrateful:
    def __repr__(self):
        raise ValueError


@pytest.fixture
def printed(beat, run):
    """Give what becomes of entries: cronjobs by name, and the reasons of those that are left."""

    def take_over(entries, *arguments, code=0, folder="/nowhere"):
        beat(entries)
        out, _ = run(*arguments, "--folder", str(folder), code=code)
        cronjobs = {each["name"]: each for each in yaml.safe_load(out)["cronjobs"] or ()}
        left = [
            line.removeprefix("# not taken over: ") for line in out.splitlines() if line.startswith("# not")
        ]
        return cronjobs, dict(line.split(": ", 1) for line in left), out

    return take_over


BAD = {
    "no schedule": ({"task": PLANTS}, 'it has no "schedule"'),
    "no task": ({"schedule": 3600}, 'it has no "task"'),
    "nothing": (None, "it should be a dict with a task and a schedule, got None"),
    "a text": ("every hour", "it should be a dict with a task and a schedule, got 'every hour'"),
    "args that are none": (HOURLY | {"args": (5)}, "its args should be a list or a tuple, got 5: write [5]"),
    "kwargs that are none": (HOURLY | {"kwargs": [1]}, "its kwargs should be a dict, got [1]"),
    "options that are none": (HOURLY | {"options": "mail"}, "its options should be a dict, got 'mail'"),
    "cron as text": (
        HOURLY | {"schedule": "*/5 * * * *"},
        "its schedule should be a crontab, a timedelta or seconds",
    ),
    "zero": (HOURLY | {"schedule": 0}, "every 0 s is no interval"),
    "before": (HOURLY | {"schedule": -60}, "every -60 s is no interval"),
    "no minute": (
        HOURLY | {"schedule": schedules.crontab(minute=[])},
        "its minute is empty, so it never runs",
    ),
    "too long": (HOURLY | {"schedule": 1e20}, "OverflowError"),
    "task that is none": (HOURLY | {"task": 5}, "its task should be the name of one, got 5"),
    "misspelt": (
        HOURLY | {"task": PLANTS + "s"},
        f"no task {PLANTS}s is registered here (did you mean {PLANTS}?)",
    ),
    "chain": (
        HOURLY | {"task": chain(take.s(1), take.s(2))},
        "it is a chain: enqueue the next job at the end",
    ),
    "group": (
        HOURLY | {"task": group(take.s(1), take.s(2))},
        "it is a group: write a task that enqueues them all",
    ),
    "lazy": (HOURLY | {"args": [BeatLazyFunc(datetime.now)]}, 'its argument "1" is computed at each run'),
    "date": (
        HOURLY | {"args": [date(2026, 1, 1)]},
        "argument 1 is a date, which JSON does not have: pass its isoformat()",
    ),
    "moment": (HOURLY | {"kwargs": {"slot": datetime.now(UTC)}}, 'argument "slot" is a datetime'),
    "decimal": (HOURLY | {"args": [[Decimal(1)]]}, "argument 1[0] is a Decimal"),
    "uuid": (HOURLY | {"args": [uuid.uuid4()]}, "argument 1 is a UUID"),
    "bytes": (HOURLY | {"args": [b"x"]}, "argument 1 is a bytes"),
    "path": (HOURLY | {"args": [Path("/x")]}, "argument 1 is a PosixPath"),
    "enum": (
        HOURLY | {"args": [Colour.RED]},
        "argument 1 is a Colour, which JSON does not have: pass its value",
    ),
    "set": (HOURLY | {"args": [{1}]}, "argument 1 is a set"),
    "not a number": (HOURLY | {"args": [float("nan")]}, "argument 1 is nan"),
    "ungrateful": (HOURLY | {"args": [Ungrateful()]}, "argument 1 is a Ungrateful"),
    "too many": (HOURLY | {"args": [1, 2]}, "its arguments do not fit a job of its task"),
    "seldom": (HOURLY | {"task": f"{HERE}.seldom"}, "has rate_limit='1/m', which jobs do not support"),
    "once": (HOURLY | {"one_off": True}, "it runs once"),
    "expires at once": (HOURLY | {"options": {"expires": 0}}, "it expires after 0 s, so nothing runs"),
    "bad nowfun": (
        HOURLY | {"schedule": schedules.crontab(nowfun=lambda: 1 / 0)},
        "its nowfun, which says its time zone, raised",
    ),
}


def test_each_bad_entry_is_a_line(printed):
    """It says what is wrong, and the entries around it are taken over; the exit code says that some are left."""
    entries = {"first": HOURLY} | {name: entry for name, (entry, _) in BAD.items()} | {"last": HOURLY}

    cronjobs, left, out = printed(entries, code=os.EX_DATAERR)

    assert cronjobs.keys() == {"first", "last"}
    assert left.keys() == BAD.keys()
    assert [name for name, (_, reason) in BAD.items() if reason not in left[name]] == []
    assert "Traceback" not in out


def test_what_beat_does_not_run_is_no_loss(printed):
    """It is named, and the exit code is that of success."""
    entries = {
        "off": HOURLY | {"enabled": False},
        "over": HOURLY | {"options": {"expires": datetime(2020, 1, 1)}},  # noqa: DTZ001  Celery takes it for UTC
        "celery.backend_cleanup": HOURLY | {"task": "celery.backend_cleanup"},
    }

    _, left, _ = printed(entries)

    assert left["off"].startswith("it is disabled")
    assert left["over"] == "its messages have expired since 2020-01-01T00:00:00+00:00: nothing runs"
    assert left["celery.backend_cleanup"].startswith("Celery adds it by itself")


WRITTEN = {
    "keywords": ({"task": f"{HERE}.take", "kwargs": {"a": 1, "options": 2}}, {"a": 1, "options": 2}),
    "places": ({"task": f"{HERE}.take", "args": (1, 2), "kwargs": {"a": 1}}, ([1, 2], {"a": 1})),
    "first alone": ({"task": f"{HERE}.take_by_place", "args": [1, 2]}, ([1, 2], {})),
    "signature": ({"task": take.s(1, a=2)}, ([1], {"a": 2})),
    "object": ({"task": water_the_plants, "args": ["now"]}, {"slot": "now"}),
    "enums": (
        {"task": f"{HERE}.take", "kwargs": {"a": Level.HIGH, "b": Tone.LOUD, "c": (1, None)}},
        {"a": 3, "b": "loud", "c": [1, None]},
    ),
    "texts": (
        {"task": f"{HERE}.take", "kwargs": {"a": "\"'\\\n\u2028\U0001f600", "b": {1: 'say "no"'}}},
        {"a": "\"'\\\n\u2028\U0001f600", "b": {"1": 'say "no"'}},
    ),
    "long": (
        {"task": f"{HERE}.take", "args": [list(range(90))], "kwargs": {"a": {"b": ["c" * 60, "d" * 60]}}},
        ([list(range(90))], {"a": {"b": ["c" * 60, "d" * 60]}}),
    ),
}


def test_the_arguments_are_those_of_beats_message(printed, tmp_path):
    """As Celery's JSON brings them: by name where that is the same call, else by place."""
    printed(
        {name: {"schedule": 3600} | entry for name, (entry, _) in WRITTEN.items()}, "--write", folder=tmp_path
    )

    found = {
        name: loaded(tmp_path / f"enqueue_{name.replace(' ', '_')}.py")().arguments(None, {})
        for name in WRITTEN
    }
    assert found == {name: arguments for name, (_, arguments) in WRITTEN.items()}


def test_a_task_whose_name_a_command_has(printed, tmp_path):
    """It is imported by another name; what Celery calls it need be no name of Python's."""
    printed({"send-mail now": {"task": "with-hyphen", "schedule": 3600}}, "--write", folder=tmp_path)

    assert loaded(tmp_path / "enqueue_send_mail_now.py").task.name == "with-hyphen"


NOTES = {
    "headers": ({"headers": {"a": 1}}, "option \"headers\" ({'a': 1}) has no counterpart: pass an argument"),
    "countdown": (
        {"countdown": 30},
        'option "countdown" (30) has no counterpart: move the schedule by so much',
    ),
    "link": ({"link": take.s()}, 'option "link" '),
    "retry": (
        {"retry_policy": {}},
        'option "retry_policy" ({}) has no counterpart: the relay publishes through its own connection',
    ),
    "limit": (
        {"time_limit": 5},
        'option "time_limit" (5) has no counterpart: write @shared_task(time_limit=...)',
    ),
    "own": ({"tenant": "x"}, "option \"tenant\" ('x') has no counterpart: see docs/offbeat/leaving-beat.md"),
    "queue": ({"queue": "mail"}, 'queue "mail": a queue belongs to the task'),
    "key": ({"routing_key": "media.x"}, 'routing_key "media.x": a queue belongs to the task'),
    "priority": ({"priority": 200}, 'option "priority" (200) has no counterpart'),
    "short": ({"expires": 30}, "it expires 30 s after its slot, and a platform may be minutes late"),
    "end": (
        {"expires": datetime(2999, 1, 1, tzinfo=UTC)},
        "its messages expire at 2999-01-01T00:00:00+00:00: remove the cronjob then",
    ),
    "odd": ({"expires": "soon"}, "option \"expires\" ('soon') is no time"),
}


def test_no_option_is_dropped_in_silence(printed):
    """Each that a command cannot say is a comment above its entry."""
    entries = {name: HOURLY | {"options": options} for name, (options, _) in NOTES.items()}
    entries["key"] = entries["key"] | {"descriptions": "x"}

    cronjobs, _, out = printed(entries)

    assert cronjobs.keys() == NOTES.keys()
    assert [name for name, (_, note) in NOTES.items() if f"  # {note}" not in out] == []
    assert "# \"descriptions\" is nothing that Celery's Beat reads: 'x' is dropped" in out


def test_what_a_command_says_of_options(printed, tmp_path, monkeypatch):
    """Deadlines, priorities and the window are its attributes; a queue that its task has anyhow needs no word."""
    monkeypatch.setitem(celery_app.conf, "beat_cron_starting_deadline", 1800)
    entries = {
        "crontab": {
            "task": PLANTS,
            "schedule": schedules.crontab(minute=5),
            "options": {"expires": timedelta(hours=1)},
        },
        "interval": HOURLY
        | {"options": {"expires": 1234567.5, "priority": 6, "queue": "default"}, "description": "Water."},
    }

    _, _, out = printed(entries, "--write", folder=tmp_path)

    crontab, interval = (loaded(tmp_path / f"enqueue_{name}.py") for name in entries)
    assert (crontab.starting_deadline, crontab.catch_up_window) == (timedelta(hours=1), timedelta(minutes=30))
    assert (interval.starting_deadline, interval.priority) == (timedelta(seconds=1234567.5), -66)
    assert interval.help == "Water."
    assert 'queue "default"' not in out


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


def test_names_end_up_valid_and_unique(printed, tmp_path):
    """Of any text; one that a cronjob or a command of the project has is given to nobody else."""
    names = [
        "on",
        "x",
        "\u6bcf\u65e5",
        "Prune jobs",
        "a.b",
        "a-b",
        "a\nb: c",
        "class",
        "9 to 5",
        "null",
        "true",
    ]

    cronjobs, _, _ = printed(dict.fromkeys(names, HOURLY), "--write", folder=tmp_path)

    assert list(cronjobs) == [
        "on",
        "cron-x",
        "cron-2",  # `cron` is a word of platform.yaml
        "prune-jobs-2",
        "a-b",
        "a-b-2",
        "a-b-c",
        "class",
        "cron-9-to-5",
        "null",
        "true",
    ]
    assert all(
        loaded(tmp_path / f"enqueue_{name.replace('-', '_')}.py").task.name == PLANTS for name in cronjobs
    )


def test_a_second_run_changes_nothing(printed, run, tmp_path, monkeypatch):
    """It says so; what platform.yaml has is not printed again, and another schedule there is named."""
    from offbeat.cronjobs import entries as of_file  # noqa: PLC0415
    from offbeat.deployment.spec import CronJobSpec  # noqa: PLC0415

    entries = {"a": HOURLY | {"schedule": 600}, "Daily": HOURLY | {"schedule": schedules.crontab(0, 9)}}
    cronjobs, _, _ = printed(entries, "--write", folder=tmp_path)
    files = {path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    pasted = tuple(CronJobSpec(**each) for each in cronjobs.values())
    monkeypatch.setattr(of_file, "in_file", lambda: pasted)

    out, told = run("--write", "--folder", str(tmp_path))

    assert out == "cronjobs:\n  # cron-a: is in platform.yaml\n  # daily: is in platform.yaml\n"
    assert "Nothing is new: each cronjob is in platform.yaml, and each command has its file." in told
    assert files == {path: (path.read_text(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    celery_app.conf.beat_schedule["a"] = HOURLY | {"schedule": 1800}
    assert (
        'another schedule, "*/10 * * * *" Europe/Berlin; here it would be "*/30 * * * *" Europe/Berlin'
        in run("--folder", str(tmp_path))[0]
    )


def test_old_names_of_the_setting(beat, run, settings):
    """CELERYBEAT_SCHEDULE and one with a namespace of its own are read; an entry that is there twice is taken over once."""
    beat({"one": HOURLY})
    settings.CELERYBEAT_SCHEDULE = {"two": HOURLY, "one": HOURLY}
    settings.SHOP_BEAT_SCHEDULE = {"three": HOURLY, "one": HOURLY | {"schedule": 60}}
    settings.BEAT_SCHEDULE = ["no dict"]

    out, _ = run("--folder", "/nowhere", code=os.EX_DATAERR)

    assert [each["name"] for each in yaml.safe_load(out)["cronjobs"]] == ["two", "one", "three"]
    assert "# not taken over: one: CELERYBEAT_SCHEDULE has another entry of this name" in out
    assert "# not read: BEAT_SCHEDULE: it should be a dict of entries, got ['no dict']" in out


def test_a_setting_that_the_application_replaces(beat, run, settings):
    """Beat reads one of them, and the other is named."""
    settings.CELERY_BEAT_SCHEDULE = {"old": HOURLY}
    beat({"new": HOURLY})

    out, _ = run("--folder", "/nowhere")

    assert [each["name"] for each in yaml.safe_load(out)["cronjobs"]] == ["new"]
    assert (
        "# not taken over: old: the application's own beat_schedule is in place of CELERY_BEAT_SCHEDULE"
        in out
    )


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
