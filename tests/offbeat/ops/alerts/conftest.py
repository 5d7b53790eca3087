"""Somebody to tell, a webhook, and a look of the watch that waits for no turn."""

import http.server
import json
import threading
import uuid

import pytest
from django.core import mail
from django.db import connection

from offbeat.jobs import attempts
from offbeat.jobs.models import Worker
from offbeat.ops import conditions
from offbeat.ops.alerts import incidents, notifications
from offbeat.ops.alerts.models import Incident, Turn
from offbeat.ops.snapshot import Snapshot, expected_queues
from offbeat.variables.mail_addresses import recipients
from tests.offbeat.ops.support import greet

ALL = sorted(expected_queues())


class Webhook(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers as it is told to."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.status is None:
            self.wfile.write(b"what a webhook never says\r\n")
            return
        if self.server.status == 200:
            self.server.posts.append(json.loads(body))  # before the answer, after which nobody waits
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        """Print nothing."""


@pytest.fixture
def webhook():
    """Stand where a chat program's webhook is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.posts, server.status = [], 200
    server.url = f"http://127.0.0.1:{server.server_port}/hook"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def people(settings, webhook):
    """Somebody to tell, on both ways."""
    settings.ADMINS = recipients("ops@example.com")
    settings.ALERT_WEBHOOK_URL = webhook.url


@pytest.fixture
def quiet(ledger, carrier):
    """A ledger in which nothing is wrong: one worker consumes every queue."""
    Incident.objects.all().delete()
    Turn.objects.all().delete()
    Worker.objects.create(hostname="here", pid=1, queues=ALL, concurrency=2, version="")


def look():
    """Look as the watch does, whoever looked last."""
    incidents.compare(conditions.find(Snapshot.take()))
    notifications.send()


def subjects():
    return [each.subject.removeprefix("[Offbeat] ") for each in mail.outbox]


def let_incidents_age(seconds):
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE offbeat_alerts_incident SET seen_at = seen_at - make_interval(secs => %s)", [seconds]
        )


def a_dead_letter():
    job = greet.enqueue(fail=True)
    attempt = attempts.begin(job.id, uuid.uuid4())
    attempts.bury(attempt, "ValueError: it was told to", "")
    return job
