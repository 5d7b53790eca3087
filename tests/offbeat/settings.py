"""The project's own settings, with the app and the page that the fault tests need."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import CELERY_TASK_ROUTES, INSTALLED_APPS

STATIC_ROOT = Path(os.environ.get("TESTS_STATIC_ROOT", "staticfiles"))
ROOT_URLCONF = "tests.offbeat.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the shipped one is slow on purpose
CELERY_TASK_ROUTES = CELERY_TASK_ROUTES | {
    name: {"queue": "mail"}
    for name in (
        "tests.offbeat.jobs.samples.record_slowly",
        "tests.offbeat.faults.effects.tasks.nothing_by_mail",
    )
}
if limit := int(os.environ.get("TESTS_TASK_TIME_LIMIT", "0")):  # of tasks that have none of their own
    CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = limit - 2, limit
# The stand-ins of development are tested with production's settings.
INSTALLED_APPS = [*INSTALLED_APPS, "offbeat.dev", "tests.offbeat.faults.effects"]
