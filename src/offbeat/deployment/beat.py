"""Finds Celery Beat wherever it could start, and what it would run: beside the platform's cronjobs it would do everything twice."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery._state import _get_active_apps

from offbeat.deployment import other_files
from offbeat.deployment.rules import beat_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from celery import Celery

IN_APP = "beat_schedule of the Celery app"


def beats(root: Path, settings: Any) -> Iterator[str]:
    """Yield, a sentence each, where Beat would start: Procfile, compose files, settings."""
    for where, command in other_files.commands(root):
        if problem := beat_problem(command):
            yield f"{where}: {problem}"
    for where, schedule, _ in schedules(settings):
        if schedule:
            yield f"{where}: should be empty: move its entries to cronjobs in platform.yaml"
    for app in ("django_celery_beat", "redbeat"):
        if app in settings.INSTALLED_APPS:
            yield f"INSTALLED_APPS: should be without {app}: the platform's own cronjobs replace it"


def schedules(settings: Any) -> Iterator[tuple[str, Any, Celery]]:
    """Yield each schedule that Beat reads, or did by an older name, with where and whose it is: the settings' first."""
    found = set()
    for name in schedule_settings(settings):
        found.add(id(getattr(settings, name)))
        yield name, getattr(settings, name), applications()[0]
    for app in applications():
        schedule = _schedule_of(app)
        if id(schedule) not in found:
            found.add(id(schedule))
            where = IN_APP if app is applications()[0] else f"{IN_APP} {app.main}"
            yield where, schedule, app


def _schedule_of(app: Celery) -> Any:
    """Return an application's own; nothing of one whose settings are wrong, which nobody has used so far."""
    with contextlib.suppress(Exception):
        app.finalize()  # its handlers add entries
        return app.conf.beat_schedule
    return {}


def schedule_settings(settings: Any) -> list[str]:
    """Return the names of such settings: CELERY_BEAT_SCHEDULE, CELERYBEAT_SCHEDULE, one with another namespace."""
    return sorted(name for name in dir(settings) if name.endswith("BEAT_SCHEDULE"))


def applications() -> list[Celery]:
    """Return the Celery applications of this process, the current one first."""
    current = current_app._get_current_object()  # noqa: SLF001  Celery's own way to it
    others = [app for app in _get_active_apps() if app is not current]
    return [current, *sorted(others, key=lambda app: str(app.main))]
