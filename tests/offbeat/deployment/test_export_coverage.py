"""Whatever the spec, every export parses, and its wake-ups over two years cover every slot of every cronjob."""

import json
import re
import shlex
import tomllib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from offbeat.deployment import spec
from offbeat.deployment.exporters import TARGETS, Options, export_platform, facts_of
from offbeat.deployment.schedule import Schedule, ScheduleError
from tests.offbeat.deployment import libyaml
from tests.offbeat.deployment.expander import ORIGIN, TWO_YEARS, moments, shown, within
from tests.offbeat.deployment.golden.variants import SHIPPED
from tests.offbeat.deployment.odd_schedules import ALL
from tests.offbeat.deployment.wakeups import APP, TICK, field, planned_wakeups

MINUTE = timedelta(minutes=1)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Africa/Casablanca",
]

names = st.from_regex(r"[a-z][a-z0-9]{1,10}(-[a-z0-9]{1,10})?", fullmatch=True)
minutes = st.sampled_from(["0", "7", "30", "*/15", "0,59", "10-50/20", "H"])
hours = st.sampled_from(["*", "0", "2", "23", "*/6", "9-17", "1,2,3", "H", "22-3"])
days = st.sampled_from(["*", "*", "1", "31", "1,15", "28-31", "H"])
months = st.sampled_from(["*", "*", "*", "2", "MAR", "10-12"])
weekdays = st.sampled_from(["*", "*", "1", "FRI-SUN", "0,6", "MON-FRI"])


def comes(schedule):
    """Tell whether a schedule ever comes: the 31st of February does not."""
    try:
        return bool(Schedule.parse(schedule, name="any"))
    except ScheduleError:
        return False


schedules = st.one_of(
    st.tuples(minutes, hours, days, months, weekdays).map(" ".join).filter(comes),
    st.sampled_from(["@hourly", "@daily", "@weekly", "@monthly"]),
)
values = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20)


@st.composite
def platforms(draw):
    """Draw a valid platform.yaml, as a document."""
    taken = draw(st.lists(names, unique=True, max_size=5))
    reserved = {"web", "worker", "release", "tick", "cron", "postgres", "redis"}
    cronjobs = [
        {
            "name": name,
            "schedule": draw(schedules),
            "timezone": draw(st.sampled_from(ZONES)),
            "command": f"python manage.py {name}",
        }
        for name in taken
        if name not in reserved
    ]
    web = {
        "name": "web",
        "command": "gunicorn config.wsgi",
        "port": draw(st.integers(1, 65535)),
        "health": "/healthz",
    }
    worker = {
        "name": "worker",
        "command": "celery -A config worker",
        "queues": ["default"],
        "grace": draw(st.integers(10, 600)),
    }
    for service in (web, worker):
        low = draw(st.integers(1, 3))
        service["instances"] = {"min": low, "max": draw(st.integers(low, 9))}
        service["memory"] = draw(st.integers(64, 9000))
        service["cpu"] = draw(st.sampled_from([0.1, 0.25, 1, 2, 7.5]))
    env = {f"NAME_{number}": {"default": draw(values)} for number in range(draw(st.integers(0, 3)))}
    env |= {"SECRET_KEY": {"generated": True}, "ALLOWED_HOSTS": {"required": True, "help": draw(values)}}
    resources = {
        "postgres": {"version": "17", "injects": "DATABASE_URL"},
        "redis": {"version": "8", "injects": "REDIS_URL"},
    }
    kept = draw(st.sets(st.sampled_from(sorted(resources))))
    return {
        "name": APP,
        "repository": "acme/app",
        "image": "registry.example/acme/app:1",
        "services": [web, worker],
        "resources": {kind: resource for kind, resource in resources.items() if kind in kept},
        "release": "python manage.py release",
        "env": env,
        "cronjobs": cronjobs,
    }


def parse(path, text):
    """Read a printed file as its platform would."""
    if path.endswith((".yaml", ".yml")):
        assert "&id" not in text
        return list(libyaml.every(text))
    if path.endswith(".json"):
        return json.loads(text)
    if path.endswith(".toml"):
        return tomllib.loads(text)
    assert text.endswith("\n")
    return text


def slots(cronjob):
    """Give the slots of two years as the expander does, by Debian's rule."""
    minute, hour, day, month, weekday = Schedule.parse(
        cronjob.schedule, cronjob.timezone, cronjob.name
    ).cron.split()
    bounds = ((minute, 0, 59), (hour, 0, 23), (day, 1, 31), (month, 1, 12), (weekday, 0, 6))
    rule = "twice" if "*" in (minute[0], hour[0]) else "fixed"
    sets = tuple(field(*each) for each in bounds)
    return moments(sets, cronjob.timezone, rule, either="*" not in (day[0], weekday[0])) & TWO_YEARS


def lost(cronjob, wake_ups, late):
    """Give the first slots of a cronjob after which no wake-up comes in time."""
    mine = [each for each in wake_ups if shlex.split(each.command) in (cronjob.argv, shlex.split(TICK))]
    woken = 0
    for each in mine:
        woken |= within(each.minutes_of_two_years(), each.late + late)
    return shown(slots(cronjob) & ~woken)


def stated_lateness(export, cronjob, facts):
    """Give the lateness that the export admits to for a cronjob, in its warnings."""
    admitted = [
        int(each)
        for line in export.warnings
        if line.startswith("cronjobs:")
        for each in re.findall(r"up to (\d+) min late", line)
    ]
    if any(line.startswith(f"cronjobs/{cronjob.name}: triggered every") for line in export.warnings):
        admitted.append(facts.floor)
    return max(admitted, default=0)


def check(target, platform, options):
    export = export_platform(target, platform, options)
    files = {file.path: file.text for file in export.files}
    for path, text in files.items():
        parse(path, text)
    found = planned_wakeups(target, files)
    if found is None:
        return
    for cronjob in platform.cronjobs:
        assert lost(cronjob, found, stated_lateness(export, cronjob, facts_of(target))) == [], cronjob.name


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", ALL)
def test_every_slot_of_an_unusual_platform_is_woken(case, target):
    """The matrix: every target and each of the cases, two years that hold a leap day, both changes of every clock."""
    check(target, replace(ALL[case], name=APP, image="registry.example/acme/app:1"), Options())


@pytest.mark.parametrize("month", [3, 10])
def test_the_expander_agrees_with_the_ledger(month):
    """The slots that the exports are held against are those that the ledger asks for, a change of a clock included."""
    start, days = datetime(2027, month, 26, tzinfo=UTC), 12
    first, length = int((start - ORIGIN) / MINUTE) + 1, days * 24 * 60
    for cronjob in (each for platform in ALL.values() for each in platform.cronjobs):
        schedule = Schedule.parse(cronjob.schedule, cronjob.timezone, cronjob.name)
        expected = {
            int((each - start) / MINUTE) - 1 for each in schedule.slots(start, start + timedelta(days=days))
        }
        near = slots(cronjob) >> first & ((1 << length) - 1)
        assert {minute for minute in range(length) if near >> minute & 1} == expected, cronjob


@pytest.mark.parametrize("target", TARGETS)
@given(document=platforms(), tick=st.sampled_from([None, None, None, 10, 30]))
@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.generate],
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_every_slot_of_two_years_has_a_wake_up_in_time(target, document, tick):
    """A platform that follows the export to the letter, and knows nothing else, misses no slot."""
    platform = spec.parse(yaml.safe_dump(document, allow_unicode=True))

    check(target, platform, Options(tick=tick))


@pytest.mark.parametrize("target", TARGETS)
def test_the_same_spec_prints_the_same_text(target):
    """An export can be committed, and compared."""
    assert export_platform(target, SHIPPED) == export_platform(target, SHIPPED)
