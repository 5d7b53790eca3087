"""What a web process does beside answering, from one thread: counts requests together, and watches for incidents."""

from __future__ import annotations

import atexit
import logging
import threading
import time
from typing import TYPE_CHECKING

from django.db import connection
from django.utils.module_loading import import_string

from offbeat.machine_limits import log_refusal, start_thread

if TYPE_CHECKING:
    from django.http import HttpRequest

logger = logging.getLogger(__name__)

STEP = 5.0  # seconds
FLUSH = "offbeat.ops.metrics.request_metrics.flush"
WATCH = "offbeat.ops.alerts.watch.start_check"

_lock = threading.Lock()
_thread: threading.Thread | None = None


def ensure(request: HttpRequest) -> None:
    """Start the thread with the first request, which comes after gunicorn has forked; under another server there is none."""
    global _thread  # noqa: PLW0603  one thread a process
    if _thread is None and request.META.get("SERVER_SOFTWARE", "").startswith("gunicorn"):
        with _lock:
            if _thread is None:
                thread = threading.Thread(target=run, name="ops-beside", daemon=True)
                if start_thread(thread):  # else with the next request
                    _thread = thread
                    atexit.register(import_string(FLUSH))


def run() -> None:
    from offbeat.ops.alerts.conf import conf  # noqa: PLC0415  needs Django's settings

    watch_at = time.monotonic()
    while True:
        attempt(FLUSH)
        connection.close()  # needed once, to know whose counts these are
        if time.monotonic() >= watch_at:
            attempt(WATCH)
            watch_at = time.monotonic() + conf().interval
        time.sleep(min(STEP, conf().interval))


def attempt(name: str) -> None:
    try:
        import_string(name)()
    except OSError as error:  # psycopg's own, where it can open no file to connect
        log_refusal(f"{name} waits", error)
    except Exception:  # a defect must not end the thread
        logger.exception("%s failed", name, extra={"action": "beside_failed"})
