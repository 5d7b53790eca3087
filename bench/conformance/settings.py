"""The benchmarks' settings, with what the tests from outside bring along."""

from importlib.util import find_spec

from kombu import Queue

from bench.settings import *  # noqa: F403
from bench.settings import INSTALLED_APPS, TASKS

OURS = TASKS["default"]["BACKEND"]
TASKS = {"default": {"BACKEND": OURS}}
if find_spec("django_tasks_db"):  # the one in `outside`
    INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db", "tests"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}

CELERY_TASK_QUEUES = [
    Queue(name) for name in ("default", "queue-1")
]  # of their tests: a queue that nobody consumes is refused
