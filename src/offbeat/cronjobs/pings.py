"""Pings outside watchers when the job of a slot starts and ends: healthchecks-style addresses, and Sentry's check-ins over HTTP.

They are sent by the worker, so that they say that the work was done and not that it was asked for; from a thread of their own,
so that a watcher which hangs holds up no job. A ping that fails is logged and forgotten: the watcher notices by itself.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import threading
import time
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from offbeat.cronjobs.conf import conf
from offbeat.machine_limits import start_thread
from offbeat.outgoing_request import send_request

if TYPE_CHECKING:
    from offbeat.cronjobs.entries import Entry

logger = logging.getLogger(__name__)

MOST_WAITING = 1_000  # pings; beyond that a watcher has been away for long, and missed them anyway

FLUSHED_EVERY = 0.02  # seconds between two looks whether all is sent

START, SUCCESS, FAIL = "start", "success", "fail"
SENTRY_STATUS = {START: "in_progress", SUCCESS: "ok", FAIL: "error"}


@dataclass(frozen=True)
class Ping:
    """One request to a watcher."""

    url: str
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"


def pings(entry: Entry, event: str, run_id: str, reason: str, sentry_dsn: str) -> list[Ping]:
    """Return what is to be sent for an event of a job: to the ping address, to Sentry, or to nobody."""
    found = []
    if address := (entry.command.ping_url or conf().ping_url):
        found.append(healthchecks(address.replace("{name}", entry.name), event, run_id, reason))
    if sentry_dsn:
        found.append(sentry(sentry_dsn, entry, event, run_id))
    return found


def healthchecks(address: str, event: str, run_id: str, reason: str) -> Ping:
    """Return a ping of https://healthchecks.io/docs/http_api/: /start, nothing or /fail, and a run id."""
    parts = urlsplit(address)
    path = parts.path.rstrip("/") + ("" if event == SUCCESS else f"/{event}")
    query = "&".join(filter(None, (parts.query, f"rid={run_id}")))
    return Ping(urlunsplit((parts.scheme, parts.netloc, path, query, "")), reason.encode())


def sentry(dsn: str, entry: Entry, event: str, run_id: str) -> Ping:
    """Return a check-in of https://docs.sentry.io/product/crons/getting-started/http/; the first makes the monitor."""
    parts = urlsplit(dsn)
    path, _, project = parts.path.rpartition("/")
    host = parts.netloc.rpartition("@")[2]
    address = f"{parts.scheme}://{host}{path}/api/{project}/cron/{quote(entry.name)}/{parts.username}/"
    query = urlencode({"check_in_id": run_id.replace("-", ""), "status": SENTRY_STATUS[event]})
    body = json.dumps({"status": SENTRY_STATUS[event], "monitor_config": monitor_config(entry)})
    return Ping(f"{address}?{query}", body.encode(), "application/json")


def monitor_config(entry: Entry) -> dict[str, Any]:
    """Return what Sentry needs to know: the schedule, the margin in minutes, and how long a job may run."""
    from offbeat.cronjobs.conditions import longest_run  # noqa: PLC0415  needs Celery's settings

    limit = longest_run(entry)
    return {
        "schedule": {"type": "crontab", "value": entry.schedule.cron},
        "timezone": entry.schedule.timezone,
        "checkin_margin": max(1, round(entry.policies.late_after.total_seconds() / 60)),
        "max_runtime": max(1, round(limit.total_seconds() / 60)) if limit else 30,
    }


class Sender(threading.Thread):
    """Sends pings one after another, so that a job's start arrives before its end."""

    def __init__(self) -> None:
        super().__init__(name="cronjobs-pings", daemon=True)
        self.waiting: queue.Queue[Ping] = queue.Queue(MOST_WAITING)

    def run(self) -> None:
        while True:
            ping = self.waiting.get()
            try:
                send(ping)
            except Exception as error:  # noqa: BLE001  a dead thread would take with it what waits
                # Others than an OSError may quote the address, which is a secret but for its host.
                what = error if isinstance(error, OSError) else type(error).__name__
                logger.warning(
                    "a ping to %s failed: %s", host_of(ping), what, extra={"action": "ping_failed"}
                )
            finally:
                self.waiting.task_done()


def host_of(ping: Ping) -> str:
    try:
        return urlsplit(ping.url).hostname or "nowhere"
    except ValueError:
        return "nowhere"


def send(ping: Ping) -> None:
    request = urllib.request.Request(ping.url, ping.body, {"Content-Type": ping.content_type})  # noqa: S310  the operator's setting
    send_request(request, conf().ping_timeout)


_sender: Sender | None = None
_lock = threading.Lock()


def put(ping: Ping) -> None:
    """Have a ping sent soon."""
    global _sender  # noqa: PLW0603  one thread a process
    with _lock:
        if _sender is None or not _sender.is_alive():
            sender = Sender()
            if not start_thread(sender):
                return
            _sender = sender
    try:
        _sender.waiting.put_nowait(ping)
    except queue.Full:
        logger.warning("a ping was dropped: too many are waiting", extra={"action": "ping_dropped"})


def flush(seconds: float = 3.0) -> None:
    """Wait until everything is sent, but not long: a process that ends calls it."""
    if _sender is not None and _sender.is_alive():
        until = time.monotonic() + seconds
        while _sender.waiting.unfinished_tasks and time.monotonic() < until:
            time.sleep(FLUSHED_EVERY)


def _forget_after_fork() -> None:
    global _sender, _lock
    _sender, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_after_fork)
