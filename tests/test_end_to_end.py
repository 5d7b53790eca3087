"""The promise of the README's first minute, with every process real: gunicorn, Celery, a mail server, a command."""

from __future__ import annotations

import re

import pytest

from newsletter.models import Subscriber
from tests.support.polling import wait_until

LINK = re.compile(r"https?://\S+/confirm/\S+")


@pytest.fixture
def running(stack):
    """The app with its web service, its worker and a mail server."""
    stack.mail_sink()
    stack.worker()
    stack.web()
    return stack


def test_a_subscriber_gets_a_mail_and_confirms_by_its_link(running):
    """Subscribing on the page sends one mail through the worker; its link makes the subscriber a confirmed one."""
    browser = running.running[-1].browser

    answer = browser.submit("/", {"email": "alice@example.com"})
    mails = wait_until(running.mails)
    link = LINK.search(mails[0].get_body(("plain",)).get_content())
    confirmed = browser.submit(link[0], {})

    assert answer.status == 200
    assert [mail["To"] for mail in mails] == ["alice@example.com"]
    assert confirmed.status == 200
    assert Subscriber.objects.get(email="alice@example.com").confirmed_at is not None
