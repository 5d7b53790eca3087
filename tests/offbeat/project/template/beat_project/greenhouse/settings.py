from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab

SECRET_KEY = "old"
INSTALLED_APPS = ["django.contrib.contenttypes", "django_celery_beat", "reports", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "greenhouse.sqlite3"}}
USE_TZ = True

# Celery
CELERY_BROKER_URL = "redis://localhost:6379/0"
CELERY_TIMEZONE = "Africa/Nairobi"
CELERY_BEAT_SCHEDULE = {
    "send-digest-every-morning": {
        "task": "shop.tasks.send_digest",
        "schedule": crontab(minute=30, hour=7),
        "kwargs": {"audience": "all", "limit": None},
    },
    "clean_up": {
        "task": "shop.tasks.clean_up",
        "schedule": 60 * 60 * 24,
        "args": (30, Path("/srv/carts").name),
    },
    "sync stock": {
        "task": "stock.sync",
        "schedule": timedelta(minutes=10),
        "options": {"queue": "mail", "expires": 3600},
    },
    "poll": {"task": "shop.tasks.send_digest", "schedule": 30.0, "args": ("polled",)},
}
# From a time before Celery 4.
CELERYBEAT_SCHEDULE = {
    "refresh": {"task": "reports.tasks.refresh", "schedule": crontab(minute="*/15"), "args": (16, 16)},
}
