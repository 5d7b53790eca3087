"""How incidents are told: by mail and webhook, by one process of many, and again where a way has failed."""

import json
import threading
import uuid
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection

from offbeat.cronjobs.clock import database_now
from offbeat.ops.alerts import incidents, notifications
from offbeat.ops.alerts.models import Incident, Turn
from tests.offbeat.ops.alerts.conftest import a_dead_letter, look, subjects
from tests.offbeat.ops.support import greet
from tests.offbeat.support.attempts import run_jobs
from tests.offbeat.support.polling import wait_until


def test_no_password_is_told(quiet, webhook):
    """A dead letter whose error had an address in it is told of without the password."""
    greet.enqueue(fail="no answer of postgres://app:hunter2@db")

    run_jobs()
    look()

    assert "no answer of postgres://***@db" in mail.outbox[0].body
    assert "no answer of postgres://***@db" in webhook.posts[0]["text"]
    assert "hunter2" not in mail.outbox[0].body + json.dumps(webhook.posts)


@pytest.mark.parametrize("status", [500, None], ids=["refuses", "speaks no HTTP"])
def test_a_way_that_fails_is_tried_again(quiet, webhook, status):
    """A webhook that fails gets the message later; the mail is not sent a second time."""
    webhook.status = status
    a_dead_letter()
    look()
    webhook.status = 200
    look()
    at_once = list(webhook.posts)
    Incident.objects.update(claimed_until=None)
    look()

    assert at_once == []
    assert [post["kind"] for post in webhook.posts] == ["dead_letters"]
    assert subjects() == ["tests.greet: dead letters"]


def test_a_claim_is_for_one_incident(quiet, monkeypatch):
    """While one is told of, the others are free: a mail server that is slow must not outlast the claims of a whole batch."""
    claims = []
    for _ in range(3):
        Incident.objects.create(
            kind="old_queue", subject=str(uuid.uuid4()), text="", opened_at=database_now()
        )
    monkeypatch.setattr(
        notifications, "mail", lambda _: claims.append(Incident.objects.exclude(claimed_until=None).count())
    )

    notifications.send()

    assert claims == [1, 1, 1]


def test_many_processes_tell_once(quiet):
    """Eight processes that look at the same moment send one mail."""
    a_dead_letter()

    def looking():
        try:
            look()
        finally:
            connection.close()

    threads = [threading.Thread(target=looking) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert subjects() == ["tests.greet: dead letters"]


def test_one_look_an_interval_is_enough(quiet):
    """Of all processes, one has its turn in an interval."""
    turns = [incidents.is_our_turn() for _ in range(3)]
    Turn.objects.update(at=Turn.objects.get().at - timedelta(seconds=30))

    assert ([*turns, incidents.is_our_turn()]) == [True, False, False, True]


def test_web_processes_tell_when_no_worker_is_left(stack, webhook):
    """With no worker at all, a web process mails and posts that there is none, and that there is one again."""
    stack.mail_sink()
    stack.environment |= {"ADMINS": "ops@example.com", "ALERT_WEBHOOK_URL": webhook.url, "EMAIL_USE_TLS": "false",
                          "EMAIL_HOST": "127.0.0.1", "OFFBEAT_ALERTS_INTERVAL": "1", "OFFBEAT_ALERTS_PATIENCE": "2"}  # fmt: skip
    web = stack.web()
    web.browser.get("/healthz")

    wait_until(lambda: len(stack.mails()) == 1)
    stack.worker(OFFBEAT_ALERTS_INTERVAL="600")
    wait_until(lambda: len(stack.mails()) == 2)

    found = [str(each["Subject"]).removeprefix("[Offbeat] ") for each in stack.mails()]
    assert found == ["workers: no worker", "workers: over: no worker"]
    wait_until(lambda: [post["is_over"] for post in webhook.posts] == [False, True])  # each follows its mail
