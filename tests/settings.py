"""The project's own settings, with the app whose tasks the fault tests run."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.effects"]
