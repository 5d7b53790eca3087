"""Stamps plain Celery messages with the time of their publishing: a queue's age is known, and nothing behind them looks lost."""

from __future__ import annotations

import time
from typing import Any

from celery import signals

from jobs.message import PUBLISHED_HEADER


@signals.before_task_publish.connect
def stamp(headers: Any = None, **_: Any) -> None:
    if isinstance(headers, dict):
        headers.setdefault(PUBLISHED_HEADER, time.time())
