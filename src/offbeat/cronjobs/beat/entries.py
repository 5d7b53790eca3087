"""An entry of Beat's, read from whatever Celery's settings have for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import schedules
from celery.beat import ScheduleEntry
from celery.canvas import Signature

from offbeat.cronjobs.beat.refusals import IdleError, NotExpressibleError, shown
from offbeat.cronjobs.beat.time_zones import zone_of_schedule

if TYPE_CHECKING:
    from datetime import datetime

    from celery import Celery

RUNS_ONCE = "it runs once: enqueue it with task.using(run_at=...).enqueue()"
DISABLED = "it is disabled; to keep it for later, enable it, import it, and pause it: python manage.py cronjobs pause NAME"
# What Beat notes itself, or has from elsewhere.
BEATS_OWN = {"name", "app", "last_run_at", "total_run_count"}
READ = {"task", "schedule", "args", "kwargs", "options", "relative", "enabled", "one_off", "description"}


@dataclass(frozen=True)
class BeatEntry:
    """One entry of Beat's, wherever it was found."""

    name: str
    task: str
    schedule: Any  # Celery's object, or a timedelta
    timezone: str
    app: Celery
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    anchor: datetime | None = None  # a time at which an interval began, in the entry's time zone
    description: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundEntry:
    """An entry before it is read: reading it may raise anything."""

    name: str
    where: str
    given: Any
    read: Callable[[], BeatEntry]


def found_in(where: str, schedule: Mapping[Any, Any], app: Celery) -> list[FoundEntry]:
    """Return the entries of one schedule of the settings."""
    return [
        FoundEntry(str(name), where, given, partial(read_entry, str(name), given, app))
        for name, given in list(schedule.items())
    ]


def read_entry(name: str, given: Any, app: Celery) -> BeatEntry:
    """Return an entry of the settings. Raises NotExpressibleError."""
    if isinstance(given, ScheduleEntry):
        given = {key: value for key, value in vars(given).items() if value is not None}
    if not isinstance(given, Mapping):
        raise NotExpressibleError(f"it should be a dict with a task and a schedule, got {shown(given)}")
    for key in ("task", "schedule"):
        if given.get(key) is None:
            raise NotExpressibleError(f'it has no "{key}": Beat does not start with it; add one')
    if not given.get("enabled", True):
        raise IdleError(DISABLED)
    if given.get("one_off"):
        raise NotExpressibleError(RUNS_ONCE)
    schedule = _schedule(given["schedule"], is_relative=bool(given.get("relative")))
    zone, notes = zone_of_schedule(schedule, app)
    notes += [
        f'"{key}" is nothing that Celery\'s Beat reads: {shown(given[key])} is dropped'
        for key in given
        if key not in READ | BEATS_OWN
    ]
    task, args, kwargs, options = _call(given)
    description = str(given.get("description") or "")
    return BeatEntry(name, task, schedule, zone, app, args, kwargs, options, None, description, tuple(notes))


def _schedule(given: Any, *, is_relative: bool) -> Any:
    if isinstance(given, int | float):
        given = timedelta(seconds=given)
    if isinstance(given, timedelta) and is_relative:
        return schedules.schedule(given, relative=True)
    return given


def _call(given: Mapping[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Return task, arguments and options; a signature brings some of its own."""
    args, kwargs, options = given.get("args"), given.get("kwargs"), given.get("options")
    if not isinstance(args or (), list | tuple):
        raise NotExpressibleError(
            f"its args should be a list or a tuple, got {shown(args)}: write [{shown(args)}]"
        )
    for key, value in (("kwargs", kwargs), ("options", options)):
        if not isinstance(value or {}, Mapping):
            raise NotExpressibleError(f"its {key} should be a dict, got {shown(value)}")
    args, kwargs, options = tuple(args or ()), dict(kwargs or {}), dict(options or {})
    task = given["task"]
    if isinstance(task, Signature):
        whole = task.clone(args, kwargs)
        return whole.task, tuple(whole.args), dict(whole.kwargs), {**whole.options, **options}
    if hasattr(task, "apply_async") and isinstance(getattr(task, "name", None), str):
        task = task.name
    if not isinstance(task, str):
        raise NotExpressibleError(f"its task should be the name of one, got {shown(task)}")
    return task, args, kwargs, options
