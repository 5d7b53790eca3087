"""Everything at once through a pooler in transaction mode that has fewer sessions of PostgreSQL than there are clients."""

from __future__ import annotations

import os
import secrets
import threading

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore

from offbeat.cronjobs.models import Slot
from offbeat.jobs.models import Job
from tests.offbeat.faults.effects.tasks import copy_by_iterator
from tests.offbeat.faults.load import Load
from tests.offbeat.support.browser import Browser
from tests.offbeat.support.pooler import needs_pgbouncer, start_pooler

pytestmark = [pytest.mark.faults, needs_pgbouncer]

SECONDS = float(os.environ.get("PYTEST_POOLER_SECONDS", "4"))
SESSIONS = 3
SECRET = secrets.token_urlsafe(30)
PAGES = ["/ops/", "/ops/jobs/", "/ops/cronjobs/prune-jobs/", "/readyz", "/healthz/cron"]
LEFT = """
    SELECT (SELECT count(*) FROM pg_prepared_statements), (SELECT count(*) FROM pg_cursors),
        (SELECT count(*) FROM pg_listening_channels()),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
        (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding',
            'DateStyle', 'IntervalStyle', 'TimeZone', 'extra_float_digits', 'standard_conforming_strings'))
"""


def staff_cookie():
    """Sign somebody in, past the form: what the pages cost is to be seen, not what a password does."""
    user = get_user_model().objects.create_superuser("alice")
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


class Visitors:
    """Look at pages and fire a cronjob, again and again; keep what was not answered well."""

    def __init__(self, address, cookie):
        self.address, self.cookie = address, cookie
        self.over, self.failures, self.seen = threading.Event(), [], 0
        visits = [self.look] * 4 + [self.fire] * 2
        self.threads = [threading.Thread(target=self.repeat, args=[visit]) for visit in visits]

    def repeat(self, visit):
        while not self.over.wait(0.05):
            answer = visit()
            self.seen += 1
            if answer.status != 200:
                self.failures.append(f"{answer.url}: {answer.status} {answer.text[:200]}")

    def look(self):
        return Browser(self.address).get(PAGES[self.seen % len(PAGES)], Cookie=self.cookie)

    def fire(self):
        return Browser(self.address).post_json("/cron/prune-jobs", {}, Authorization=f"Bearer {SECRET}")

    def __enter__(self):
        for each in self.threads:
            each.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for each in self.threads:
            each.join()


def left_behind(url):
    """Give what is left in each session of PostgreSQL, all of them taken at once."""
    held = [psycopg.connect(url) for _ in range(SESSIONS)]
    found = {
        each.execute("SELECT pg_backend_pid()").fetchone()[0]: each.execute(LEFT).fetchone() for each in held
    }
    for each in held:
        each.close()
    return found


def test_everything_at_once_behind_a_small_pool(faults, stack):
    """Jobs, wake-ups and pages: nothing is lost or done twice, nothing fails, nothing stays in a session."""
    cookie = staff_cookie()
    direct = stack.environment["DATABASE_URL"]
    stack.environment["DATABASE_URL"] = url = start_pooler(stack, default_pool_size=SESSIONS)
    web = stack.web("--threads", "8", CRON_SECRET=SECRET, SECURE_SSL_REDIRECT="false")
    workers = [faults.quick_worker(WORKER_CONCURRENCY="4"), faults.quick_worker(WORKER_CONCURRENCY="4")]
    load = Load(web.browser.address, 25)

    with Visitors(web.browser.address, cookie) as visitors:
        load.start()
        copies = [copy_by_iterator.enqueue(f"copy{number}") for number in range(5)]
        load.run_for(SECONDS)
        load.stop()
    faults.wait_for_all()

    assert (load.failures, visitors.failures) == ([], [])
    assert load.answered > 0
    assert visitors.seen > len(PAGES)
    assert faults.repeated() == []
    ended = Job.objects.filter(task__contains="effects").values_list("state", "attempt")
    assert set(ended) == {("succeeded", 1)}
    assert len(ended) == load.answered + len(copies)
    slots = list(Slot.objects.values_list("cronjob", "slot"))
    assert len(slots) == len(set(slots))
    assert [
        line for each in (web, *workers) for line in each.output.splitlines() if "prepared statement" in line
    ] == []
    assert [
        line for each in (web, *workers) for line in each.output.splitlines() if '"level": "error"' in line
    ] == []
    found = left_behind(url)
    assert len(found) == SESSIONS
    assert set(found.values()) == {(0, 0, 0, 0, 0)}
    assert direct != url
