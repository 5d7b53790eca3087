"""One thread a process tells all clients that follow jobs how these are: one query a second, however many they are.

It begins with the first client and ends with the last. While PostgreSQL is down its clients wait; they miss nothing, because
an event says how the job is, and not what has changed.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, connection
from django.db.models import TextField
from django.db.models.functions import Cast, Length

from offbeat.api import tokens
from offbeat.api.event_text import KEEP_ALIVE, event_id, write_end, write_event
from offbeat.jobs.models import Job
from offbeat.machine_limits import start_thread

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from offbeat.api.followers import Follower

logger = logging.getLogger(__name__)

INTERVAL = 1.0  # seconds between two rounds: as often as a task writes its progress
# Below the 55 s (Heroku) and 60 s (nginx, AWS) after which routers close a connection on which nothing comes.
KEEP_ALIVE_EVERY = 15.0
LARGEST_RESULT = 64 * 1024  # characters; a larger one is null in events, and read at the job's address
LEFT_OUT = ("traceback", "history", "args", "kwargs", "context", "options", "result")


class EventHub:
    """The followers of a process. `lock` guards `followers` and `thread`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.followers: set[Follower] = set()
        self.thread: threading.Thread | None = None
        self.kept_alive_at = time.monotonic()

    def add(self, follower: Follower) -> None:
        with self.lock:
            self.followers.add(follower)
            if self.thread is None:
                thread = threading.Thread(target=self.run, name="event-hub", daemon=True)
                self.thread = thread if start_thread(thread) else None
            if self.thread:
                return
            self.followers.discard(follower)
        follower.close()  # its client comes again

    def run(self) -> None:
        try:
            while not self.is_idle():
                self.go_round()
                time.sleep(INTERVAL)
        finally:
            connection.close()

    def is_idle(self) -> bool:
        """Tell whether nobody is left; then the next one starts a new thread."""
        with self.lock:
            if not self.followers:
                self.thread = None
            return self.thread is None

    def go_round(self) -> None:
        with self.lock:
            followers = list(self.followers)
        try:
            self.tell(followers)
        except Exception:
            logger.exception("a round of events failed", extra={"action": "events_failed"})
        for each in followers:
            each.flush()
        over = [each for each in followers if each.is_over]
        with self.lock:
            self.followers.difference_update(over)
        for each in over:
            each.close()

    def tell(self, followers: Collection[Follower]) -> None:
        found = read_jobs({each.job_id for each in followers})
        is_quiet = time.monotonic() - self.kept_alive_at > KEEP_ALIVE_EVERY
        if is_quiet:
            self.kept_alive_at = time.monotonic()
            end_refused(followers)
        texts: dict[tuple[UUID, str], bytes] = {}  # followers of one job share theirs
        for each in followers:
            if found is not None:
                tell_one(each, found.get(each.job_id), texts)
            if is_quiet:
                each.push(KEEP_ALIVE)
            if each.is_stopping or each.until < time.monotonic():
                each.finish()


def end_refused(followers: Collection[Follower]) -> None:
    """End the streams of tokens that were revoked, or have expired, since they began."""
    in_force = read_tokens({each.token for each in followers})
    for each in followers:
        if in_force is not None and each.token not in in_force:
            each.finish()


def read_tokens(ids: Collection[int]) -> Collection[int] | None:
    """Return which of these tokens are in force, None while PostgreSQL is down."""
    try:
        return tokens.find_in_force(ids)
    except (DatabaseError, InterfaceError):
        connection.close()
        return None


def tell_one(follower: Follower, job: Job | None, texts: dict[tuple[UUID, str], bytes]) -> None:
    """Send a client what it does not know. A job that is gone was pruned: the client asks again, and gets 404."""
    if job is None:
        follower.finish()
        return
    key = (job.id, follower.known)
    if key not in texts:
        texts[key] = write_event(job, follower.known) + (write_end(job) if job.is_finished else b"")
    follower.known = event_id(job)
    if texts[key]:
        follower.push(texts[key])
    if job.is_finished:
        follower.finish()


def read_jobs(ids: Collection[UUID]) -> Mapping[UUID, Job] | None:
    """Return the jobs by id, None while PostgreSQL is down."""
    try:
        found = {each.id: each for each in Job.objects.filter(pk__in=ids).defer(*LEFT_OUT)}
        results = read_results([each.id for each in found.values() if each.is_finished])
    except (DatabaseError, InterfaceError):
        connection.close()
        return None
    for each in found.values():
        each.result = results.get(each.id)
    return found


def read_results(ids: Collection[UUID]) -> dict[UUID, Any]:
    if not ids:
        return {}
    sized = Job.objects.filter(pk__in=ids).annotate(size=Length(Cast("result", TextField())))
    return dict(sized.filter(size__lte=LARGEST_RESULT).values_list("pk", "result"))


hub = EventHub()
