"""The benchmarks' settings, with what the tests from outside bring along."""

from importlib.util import find_spec

from bench.settings import *  # noqa: F403
from bench.settings import INSTALLED_APPS

try:
    from bench.settings import TASKS
except ImportError:
    TASKS = {"default": {"BACKEND": "django.tasks.backends.dummy.DummyBackend"}}

OURS = TASKS["default"]["BACKEND"]
TASKS = {"default": {"BACKEND": OURS}}
if find_spec("django_tasks_db"):  # the one in `outside`
    INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
