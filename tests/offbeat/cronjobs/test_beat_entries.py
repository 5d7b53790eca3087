"""Whatever an entry of Beat's holds, it is taken over, or a line of its own names it."""

import enum
import os
import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from celery import chain, group, schedules, shared_task
from celery.beat import BeatLazyFunc

from tests.offbeat.cronjobs.conftest import HOURLY, PLANTS, water_the_plants
from tests.offbeat.cronjobs.test_import_beat import loaded
from tests.offbeat.sample_project import celery_app

HERE = "tests.offbeat.cronjobs.test_beat_entries"


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
