"""Finds Celery Beat wherever it could start: beside the platform's cronjobs it would do everything twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import current_app

from offbeat.deployment import other_files
from offbeat.deployment.rules import beat_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def beats(root: Path, settings: Any) -> Iterator[str]:
    """Yield, a sentence each, where Beat would start: Procfile, compose files, settings."""
    for where, command in other_files.commands(root):
        if problem := beat_problem(command):
            yield f"{where}: {problem}"
    if getattr(settings, "CELERY_BEAT_SCHEDULE", None):
        yield "CELERY_BEAT_SCHEDULE: should be empty: move its entries to cronjobs in platform.yaml"
    elif current_app.conf.beat_schedule:
        yield "beat_schedule of the Celery app: should be empty: move its entries to cronjobs in platform.yaml"
    for app in ("django_celery_beat", "redbeat"):
        if app in settings.INSTALLED_APPS:
            yield f"INSTALLED_APPS: should be without {app}: the platform's own cronjobs replace it"
