"""The Celery application: `celery --workdir src -A config worker`."""

import os
import sys
from logging.config import dictConfig
from pathlib import Path
from typing import Any

from celery import Celery, signals
from django.conf import settings

from config.boot import read_settings
from jobs.worker import install

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

if Path(sys.argv[0]).name == "celery":  # started by Celery's own command line, which would show a traceback
    read_settings()

app = Celery("offbeat", task_cls="jobs.task:DurableTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
install(app)


@signals.setup_logging.connect
def keep_logging(**_: Any) -> None:
    """Log as Django's settings say; without this, Celery installs handlers and levels of its own."""
    dictConfig(settings.LOGGING)
