"""The Celery application of a project, with durable jobs in it."""

from __future__ import annotations

import sys
from logging import INFO, basicConfig
from logging.config import dictConfig
from pathlib import Path
from typing import Any

from celery import Celery, signals
from django.conf import settings

from offbeat.boot import read_settings
from offbeat.identity import platform_name
from offbeat.jobs.worker import install


def create_app(name: str | None = None) -> Celery:
    """Make the application from Django's settings that begin with CELERY_; it finds the tasks of all apps.

    Where it has no name of its own, it has that of platform.yaml.

    Misconfiguration ends the process with one clear message and 78 where it was started by Celery's own command line.
    """
    if Path(sys.argv[0]).name == "celery":  # which would show a traceback
        read_settings()
    app = Celery(name or platform_name(), task_cls="offbeat.jobs.task:DurableTask")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.autodiscover_tasks()
    install(app)
    return app


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Log as Django's settings say; without this, Celery installs handlers and levels of its own."""
    if settings.LOGGING:
        dictConfig(settings.LOGGING)
    else:
        basicConfig(level=INFO)
