import importlib.util
import os
from datetime import timedelta

import pytest
import yaml
from celery import schedules, shared_task
from django.db import connection

from offbeat.cronjobs.beat.expressions import NotExpressibleError, expressed
from offbeat.cronjobs.beat.replacement import cronjob_name
from offbeat.deployment.schedule import Schedule
from offbeat.deployment.schedule_fields import FIELDS
from offbeat.deployment.schedule_text import values

PLANTS = "tests.offbeat.cronjobs.conftest.water_the_plants"


@shared_task
def add(a, b, c=0):
    """Take arguments."""


# Making one needs the library ephem, which tells nothing that is asked here.
SUNRISE = object.__new__(schedules.solar)


class Tide(schedules.BaseSchedule):
    """A schedule of somebody's own."""


TWELVE = {
    "Weekly digest": {"task": PLANTS, "schedule": schedules.crontab(minute=0, hour=9, day_of_week="monday")},
    "quarter-hourly": {"task": PLANTS, "schedule": schedules.crontab(minute="*/15")},
    "office hours": {
        "task": PLANTS,
        "schedule": schedules.crontab(hour="8-18/2", minute=30, day_of_week="mon-fri"),
    },
    "first of the month": {
        "task": PLANTS,
        "schedule": schedules.crontab(0, 4, day_of_month="1"),
        "options": {"queue": "mail"},
    },
    "every half hour": {"task": PLANTS, "schedule": timedelta(minutes=30), "options": {"expires": 600}},
    "every-two-hours": {"task": PLANTS, "schedule": 7200.0},
    "daily": {"task": PLANTS, "schedule": schedules.schedule(timedelta(days=1)), "options": {"priority": 3}},
    "add": {
        "task": "tests.offbeat.cronjobs.test_import_beat.add",
        "schedule": 60,
        "args": (1, 2),
        "kwargs": {"c": 3},
    },
    "first monday": {
        "task": PLANTS,
        "schedule": schedules.crontab(0, 4, day_of_month="1-7", day_of_week="mon"),
    },
    "every ten seconds": {"task": PLANTS, "schedule": 10.0},
    "sunrise": {"task": PLANTS, "schedule": SUNRISE},
    "tide": {"task": PLANTS, "schedule": Tide()},
}


def test_twelve_entries_of_all_kinds(beat, run):
    """Eight become cronjobs with the same times; four cannot be said in cron, each with its reason."""
    beat(TWELVE)

    told, summary = run("--folder", "/nowhere", code=os.EX_DATAERR)

    cronjobs = {each["name"]: each for each in yaml.safe_load(told)["cronjobs"]}
    assert {name: each["schedule"] for name, each in cronjobs.items()} == {
        "weekly-digest": "0 9 * * 1",
        "quarter-hourly": "*/15 * * * *",
        "office-hours": "30 8-18/2 * * mon-fri",
        "first-of-the-month": "0 4 1 * *",
        "every-half-hour": "*/30 * * * *",
        "every-two-hours": "H */2 * * *",
        "daily": "H H * * *",
        "add": "* * * * *",
    }
    assert {each["timezone"] for each in cronjobs.values()} == {"Europe/Berlin"}
    assert cronjobs["weekly-digest"]["command"] == "python manage.py enqueue_weekly_digest"
    left = dict(
        line.removeprefix("# not taken over: ").split(": ", 1)
        for line in told.splitlines()
        if line.startswith("# not")
    )
    assert left["first monday"].startswith("Celery takes days that match day_of_month and day_of_week")
    assert left["every ten seconds"].startswith("every 10 s: a minute is cron's shortest")
    assert left["sunrise"].startswith("the sun keeps no clock")
    assert left["tide"].startswith("Tide is a schedule of your own: cron knows fixed times only")
    assert (
        '  # queue "mail": a queue belongs to the task: '
        'CELERY_TASK_ROUTES["tests.offbeat.cronjobs.conftest.water_the_plants"] = {"queue": "mail"}\n  - name: first-of-the-month'
        in told
    )
    assert "  # priority 3 has become -33: in Redis 0 comes first." in told
    assert "8 taken over, 4 not." in summary
    for each in cronjobs.values():
        Schedule.parse(each["schedule"], each["timezone"], each["name"])


def test_the_commands_are_written(beat, run, tmp_path):
    """Each is a command that works: task, deadline, and arguments by name; a second run overwrites nothing."""
    beat(TWELVE)
    (tmp_path / "enqueue_daily.py").write_text("mine")
    run("--write", "--folder", str(tmp_path), code=os.EX_DATAERR)
    (tmp_path / "enqueue_quarter_hourly.py").write_text(
        "# edited\n" + (tmp_path / "enqueue_quarter_hourly.py").read_text()
    )
    before = {path: path.read_text() for path in tmp_path.glob("*.py")}

    _, again = run("--write", "--folder", str(tmp_path), code=os.EX_DATAERR)

    assert loaded(tmp_path / "enqueue_every_half_hour.py").starting_deadline == timedelta(seconds=600)
    command = loaded(tmp_path / "enqueue_add.py")
    assert command.task.name == "tests.offbeat.cronjobs.test_import_beat.add"
    assert command().arguments(None, {}) == {"a": 1, "b": 2, "c": 3}
    assert loaded(tmp_path / "enqueue_daily_2.py").priority == -33
    assert before == {path: path.read_text() for path in tmp_path.glob("*.py")}
    assert again.count("exists, left alone; it is the same") == 7
    assert "enqueue_quarter_hourly.py: exists, left alone; it differs" in again
    assert (
        f"{tmp_path}: Django finds commands in management/commands of an app in INSTALLED_APPS only" in again
    )


def loaded(path):
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module.Command


def test_nothing_is_written_unasked(beat, run):
    """Without --write it says where the files would be, in the app that the task is in."""
    beat({"count": {"task": "tests.offbeat.faults.effects.tasks.nothing", "schedule": 3600}})

    _, told = run()

    assert (
        "tests/offbeat/faults/effects/management/commands/enqueue_count.py: would be written, with --write"
        in told
    )


def test_nothing_is_written_into_the_core(beat, run):
    """A task that is in no app of the project needs a folder to be named."""
    beat({"prune": {"task": "offbeat.jobs.tasks.prune", "schedule": 3600}})

    _, told = run("--write", code=os.EX_DATAERR)

    assert (
        "enqueue_prune: its task is in no app of the project: say with --folder where the file belongs"
        in told
    )


def test_a_task_that_is_not_here(beat, run, tmp_path):
    """It is not taken over: its command could not be imported."""
    beat({"old": {"task": "shop.tasks.sell", "schedule": 3600, "args": (1,)}})

    told, _ = run("--write", "--folder", str(tmp_path), code=os.EX_DATAERR)

    assert "# not taken over: old: no task shop.tasks.sell is registered here: correct the name" in told
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_any_characters(beat, run, tmp_path):
    """Quotes, backslashes and accents of Beat's names end up in the help text as they are, and break no command."""
    name = 'Caf\u00e9 "C:\\new"'
    beat({name: {"task": PLANTS, "schedule": 3600}})

    run("--write", "--folder", str(tmp_path))

    assert loaded(tmp_path / "enqueue_caf_c_new.py").help == f"Enqueue {name}."


def test_names_that_platform_yaml_refuses(beat, run, tmp_path):
    """Those of its services, and of what exporters add, get a number."""
    taken = ("web", "worker", "cron", "release", "tick", "redis")
    beat({name: {"task": PLANTS, "schedule": 3600, "args": (each,)} for each, name in enumerate(taken)})

    told, _ = run("--folder", str(tmp_path))

    assert [line.split()[-1] for line in told.splitlines() if "- name:" in line] == [
        f"{each}-2" for each in taken
    ]


TABLES = """
    CREATE TABLE django_celery_beat_crontabschedule (id int, minute text, hour text, day_of_week text, day_of_month text,
        month_of_year text, timezone text);
    CREATE TABLE django_celery_beat_intervalschedule (id int, every int, period text);
    CREATE TABLE django_celery_beat_solarschedule (id int, event text);
    CREATE TABLE django_celery_beat_periodictask (name text, task text, args text, kwargs text, enabled bool, one_off bool,
        queue text, expire_seconds int, crontab_id int, interval_id int, solar_id int, clocked_id int);
    INSERT INTO django_celery_beat_crontabschedule VALUES (1, '0', '9', 'monday', '*', '*', 'America/New_York');
    INSERT INTO django_celery_beat_intervalschedule VALUES (1, 10, 'minutes'), (2, 7, 'minutes');
    INSERT INTO django_celery_beat_solarschedule VALUES (1, 'sunset');
    INSERT INTO django_celery_beat_periodictask VALUES
        ('Digest (New York)', 'offbeat.jobs.tasks.prune', '[]', '{}', true, false, NULL, 900, 1, NULL, NULL, NULL),
        ('Poll', 'offbeat.jobs.tasks.prune', '[]', '{}', true, false, 'mail', NULL, NULL, 1, NULL, NULL),
        ('Odd', 'offbeat.jobs.tasks.prune', '[]', '{}', true, false, NULL, NULL, NULL, 2, NULL, NULL),
        ('Off', 'offbeat.jobs.tasks.prune', '[]', '{}', false, false, NULL, NULL, NULL, 1, NULL, NULL),
        ('Once', 'offbeat.jobs.tasks.prune', '[]', '{}', true, true, NULL, NULL, NULL, NULL, NULL, 1),
        ('Sunset', 'offbeat.jobs.tasks.prune', '[]', '{}', true, false, NULL, NULL, NULL, NULL, 1, NULL),
        ('celery.backend_cleanup', 'celery.backend_cleanup', '[]', '{}', true, false, NULL, NULL, 1, NULL, NULL, NULL);
"""


def test_the_tables_of_django_celery_beat(beat, run):
    """They are read where they exist, installed or not: crontabs with their own time zone, intervals, and what is off."""
    beat({})
    with connection.cursor() as cursor:
        cursor.execute(TABLES)

    told, _ = run("--folder", "/nowhere", code=os.EX_DATAERR)

    cronjobs = {each["name"]: each for each in yaml.safe_load(told)["cronjobs"]}
    assert cronjobs["digest-new-york"]["schedule"] == "0 9 * * 1"
    assert cronjobs["digest-new-york"]["timezone"] == "America/New_York"
    assert cronjobs["poll"]["schedule"] == "*/10 * * * *"
    assert cronjobs.keys() == {"digest-new-york", "poll"}
    assert "# not taken over: Odd: every 7 min: it divides neither" in told
    assert "choose 6 min or 10 min" in told
    assert "# not taken over: Off: it is disabled" in told
    assert "# not taken over: Once: it runs once" in told
    assert "# not taken over: Sunset: the sun keeps no clock" in told
    assert "# not taken over: celery.backend_cleanup: Celery adds it by itself" in told


def test_no_beat_at_all(beat, run):
    """Nothing to take over is no error."""
    beat({})

    told, summary = run()

    assert told.startswith("cronjobs:")
    assert "0 taken over, 0 not." in summary


@pytest.mark.parametrize(
    "fields",
    [
        {"minute": "0,30", "hour": "*/6"},
        {"minute": "5-20/5", "hour": "22-2"},
        {"month_of_year": "jan,jul", "day_of_month": "*/10"},
        {"day_of_week": "sun,sat"},
        {"minute": {3, 13}, "hour": 4},
    ],
)
def test_what_is_printed_means_the_same(fields):
    """Cron reads the printed fields as Celery reads its crontab."""
    crontab = schedules.crontab(**fields)

    try:
        text = expressed(crontab)
    except NotExpressibleError:
        pytest.fail("cron can say this")

    schedule = Schedule.parse(text)
    understood = [
        crontab.minute,
        crontab.hour,
        crontab.day_of_month,
        crontab.month_of_year,
        crontab.day_of_week,
    ]
    assert [set(values(*pair)) for pair in zip(FIELDS, schedule.cron.split(), strict=True)] == understood


def test_names_fit_platform_yaml():
    """They are cut, spelled and numbered so that each is one of its own."""
    taken = {"send-mail"}

    assert cronjob_name("Send mail!", taken) == "send-mail-2"
    assert cronjob_name("3rd task", set()) == "cron-3rd-task"
    assert len(cronjob_name("x" * 80, set())) == 32
