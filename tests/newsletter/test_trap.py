"""The form's trap: a program that fills in everything is answered as anybody, and mails nobody."""

from __future__ import annotations

import re

from django.core import mail

from newsletter.models import Subscriber
from offbeat.jobs import Job
from offbeat.jobs.testing import run_jobs
from tests.newsletter.conftest import statuses


def test_whoever_fills_in_everything_is_answered_as_anybody(db, now, client, ask):
    """A program that fills in the hidden field gets a job that looks like any other, and mails nobody."""
    caught = ask("victim@example.com", website="https://spam.example")
    person = ask("dora@example.com")
    told = [
        client.get(answer.json()["url"], secure=True).json() | {"job": None} for answer in (caught, person)
    ]
    run_jobs()

    after = [
        client.get(answer.json()["url"], secure=True).json() | {"job": None} for answer in (caught, person)
    ]
    assert caught.status_code == person.status_code
    assert caught.headers.keys() == person.headers.keys()
    assert told[0] == told[1]
    assert after[0] == after[1]
    assert [message.to for message in mail.outbox] == [["dora@example.com"]]
    assert [subscriber.email for subscriber in Subscriber.objects.all()] == ["dora@example.com"]


def test_the_trap_of_the_page_is_the_same(db, now, client):
    """The form leads to the page of a mail that nobody gets."""
    answer = client.post("/", {"email": "victim@example.com", "website": "x"}, secure=True)

    assert answer["Location"] == f"/subscriptions/{Job.objects.get().pk}/"
    assert Subscriber.objects.count() == 0


def test_the_trap_is_limited_too(db, now, ask):
    """It makes no more jobs than an honest form would."""
    answers = [ask("victim@example.com", website="x") for _ in range(25)]

    assert statuses(answers) == {202: 20, 429: 5}


def test_nobody_falls_into_the_trap_by_accident(db, client):
    """Screen readers, the Tab key, autofill and password managers pass it by."""
    page = client.get("/", secure=True).content.decode()

    trap = re.search(r'<div class="trap" aria-hidden="true">.*?</div>', page, re.DOTALL)[0]
    for attribute in (
        'name="website"',
        'tabindex="-1"',
        'autocomplete="off"',
        "data-1p-ignore",
        "data-lpignore",
    ):
        assert attribute in trap
