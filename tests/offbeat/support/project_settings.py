"""The project's own settings, quick to test with, and with the tasks of the smoke test."""

import os
from pathlib import Path

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

STATIC_ROOT = Path(os.environ.get("TESTS_STATIC_ROOT", "staticfiles"))
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the shipped one is slow on purpose
# The mail sink of development is tested with production's settings.
INSTALLED_APPS = list(dict.fromkeys([*INSTALLED_APPS, "offbeat.dev", "tests.offbeat.project.smoke"]))
