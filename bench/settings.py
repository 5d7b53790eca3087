"""The project's settings, with the tasks and pages that the benchmarks need."""

import os

import django

from config.settings import *  # noqa: F403
from config.settings import CELERY_BROKER_TRANSPORT_OPTIONS, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench"]
OFFBEAT_API_TASKS = ["bench.tasks.nothing"]
ROOT_URLCONF = "bench.urls"

if os.environ.get("BENCH_LEVELS") == "none":  # a worker as it was before queues had levels
    from offbeat.jobs import levels

    levels.LEVELS = (0,)
    CELERY_BROKER_TRANSPORT_OPTIONS["priority_steps"] = [0]

# No benchmark sends a mail to anybody.
if django.VERSION >= (6, 1):
    MAILERS = {"default": {"BACKEND": "bench.sink.NullSink"}}
else:
    EMAIL_BACKEND = "bench.sink.NullSink"
