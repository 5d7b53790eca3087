"""Finds Celery Beat wherever it could start: beside the platform's cronjobs it would do everything twice."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from celery import current_app

from deployment import strict_yaml
from deployment.rules import service_command_problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")


def beats(root: Path, settings: Any) -> Iterator[str]:
    """Tell, a sentence each, where Beat would start: Procfile, compose files, settings."""
    yield from _procfile(root / "Procfile")
    for name in FILES:
        yield from _compose(root / name)
    if getattr(settings, "CELERY_BEAT_SCHEDULE", None):
        yield "CELERY_BEAT_SCHEDULE: should be empty: its entries belong under cronjobs in platform.yaml"
    elif current_app.conf.beat_schedule:
        yield "beat_schedule of the Celery app: should be empty: its entries belong under cronjobs in platform.yaml"
    for app in ("django_celery_beat", "redbeat"):
        if app in settings.INSTALLED_APPS:
            yield f"INSTALLED_APPS: should be without {app}: the platform's own cronjobs take its place"


def _procfile(path: Path) -> Iterator[str]:
    if path.exists():
        for process, command in re.findall(r"^(\w+):\s*(.+)$", path.read_text(), re.MULTILINE):
            if problem := service_command_problem(command):
                yield f"{path.name}: {process}: {problem}"


def _compose(path: Path) -> Iterator[str]:
    try:
        document = strict_yaml.load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # no compose file, or one that compose itself will complain about
    services = document.get("services") if isinstance(document, dict) else None
    for name, service in services.items() if isinstance(services, dict) else ():
        command = service.get("command", "") if isinstance(service, dict) else ""
        line = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
        if problem := service_command_problem(line):
            yield f"{path.name}: services/{name}/command: {problem}"
