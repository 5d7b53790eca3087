"""The least that a process can do which uses the project's settings: set Django up, one query, one message to Redis."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "src"))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

django.setup()

from django.db import connection  # noqa: E402

from offbeat.jobs import broker  # noqa: E402

with connection.cursor() as cursor:
    cursor.execute("SELECT clock_timestamp()")
    cursor.fetchone()
broker.publish({"floor": ["{}"]})
