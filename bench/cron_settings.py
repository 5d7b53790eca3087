"""The benchmarks' settings, with Beat's schedule of the same five entries, and its peers where they are installed."""

from importlib.util import find_spec

from celery.schedules import crontab

from bench.settings import *  # noqa: F403
from bench.settings import INSTALLED_APPS

if find_spec("django_celery_beat"):
    INSTALLED_APPS = [*INSTALLED_APPS, "django_celery_beat"]

TASK = "offbeat.jobs.tasks.prune"
CELERY_BEAT_SCHEDULE = {
    "five-minutes": {"task": TASK, "schedule": crontab(minute="*/5")},
    "hourly-1": {"task": TASK, "schedule": crontab(minute=7)},
    "hourly-2": {"task": TASK, "schedule": crontab(minute=37)},
    "daily-1": {"task": TASK, "schedule": crontab(minute=0, hour=3)},
    "daily-2": {"task": TASK, "schedule": crontab(minute=0, hour=15)},
}
