"""The core's own settings with what its tests need: no project's settings are in them."""

import os
from pathlib import Path

import tests.offbeat.sample_project  # noqa: F401  its Celery application, for `manage.py worker`
from offbeat.settings import *  # noqa: F403
from offbeat.settings import OFFBEAT_APPS, env

STATIC_ROOT = Path(os.environ.get("TESTS_STATIC_ROOT", "staticfiles"))
ROOT_URLCONF = "tests.offbeat.sample_project.urls"
WSGI_APPLICATION = "tests.offbeat.sample_project.wsgi.application"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("DEFAULT_FROM_EMAIL", "offbeat@localhost")
if "TESTS_REAL_HASHES" not in os.environ:  # the shipped ones are slow on purpose
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
OFFBEAT_UPLOADS = {"/uploads/": 4 * 1024 * 1024}
OFFBEAT_API_TASKS = ["tests.offbeat.faults.effects.tasks.work"]
CELERY_TASK_ROUTES = {
    name: {"queue": "mail"}
    for name in (
        "tests.offbeat.jobs.samples.record_slowly",
        "tests.offbeat.faults.effects.tasks.nothing_by_mail",
    )
}
if limit := int(os.environ.get("TESTS_TASK_TIME_LIMIT", "0")):  # of tasks that have none of their own
    CELERY_TASK_SOFT_TIME_LIMIT, CELERY_TASK_TIME_LIMIT = limit - 2, limit
# The stand-ins of development are tested with production's settings.
INSTALLED_APPS = list(dict.fromkeys([*OFFBEAT_APPS, "offbeat.dev", "tests.offbeat.faults.effects"]))
# Read where there are no settings: by tests.offbeat.support.axis.
env.text("OFFBEAT_TEST_BROKER", "")
env.text("OFFBEAT_TEST_POOL", "")
env.text("OFFBEAT_TEST_ALL", "")

env.complain()
