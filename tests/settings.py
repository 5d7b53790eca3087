"""The project's own settings, with the app and the page that the fault tests need."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import CELERY_TASK_ROUTES, INSTALLED_APPS

STATIC_ROOT = Path(os.environ.get("TESTS_STATIC_ROOT", "staticfiles"))
ROOT_URLCONF = "tests.urls"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the shipped one is slow on purpose
CELERY_TASK_ROUTES = CELERY_TASK_ROUTES | {
    name: {"queue": "mail"}
    for name in ("tests.jobs.samples.record_slowly", "tests.faults.effects.tasks.nothing_by_mail")
}
INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.effects"]
