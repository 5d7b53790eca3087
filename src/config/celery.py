"""The Celery application: `celery --workdir src -A config worker`."""

import os

from offbeat.celery import create_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = create_app()
