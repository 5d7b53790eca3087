"""The project's settings, with the tasks that are measured."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.offbeat.speed"]
