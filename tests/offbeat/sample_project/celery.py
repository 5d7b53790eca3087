"""The Celery application of the tests: `celery -A tests.offbeat.sample_project worker`."""

import os

from offbeat.celery import create_app

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.offbeat.settings")

app = create_app()
