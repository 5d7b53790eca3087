"""The newsletter as it runs: gunicorn, a Celery worker, a command's process and a mail server, all of them real."""

from __future__ import annotations

import re
import secrets
from datetime import timedelta
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from aiosmtpd.controller import Controller
from django.utils import timezone

from newsletter.mails import unsubscribe_link
from newsletter.models import Delivery, Issue, Note, Subscriber
from offbeat.jobs import Batch, Job
from tests.offbeat.support.polling import wait_until


@pytest.fixture
def app(stack):
    """Web, worker and mail sink; `browser` asks the web."""
    stack.mail_sink()
    stack.worker()
    stack.browser = stack.web().browser
    return stack


def link_in(mail, page):
    return re.search(rf"https?://\S+/{page}/\S+", mail.get_body(("plain",)).get_content())[0]


def finished(browser, accepted):
    """Ask for a job's state as a program would, until it has finished."""

    def ask():
        state = browser.get(accepted.json()["url"]).json()
        return state if state["finished"] else None

    return wait_until(ask, pause=0.2)


def fire(stack, command, times=1):
    """Run a cronjob's command as the platform does, on time for a slot of this minute."""
    schedule = f"{timezone.now().minute} * * * *"
    return [stack.manage(command, "--name", "this-minute", "--schedule", schedule) for _ in range(times)]


def confirmed(count):
    now = timezone.now()
    Subscriber.objects.bulk_create(
        Subscriber(email=f"reader{number}@example.com", confirmed_at=now) for number in range(count)
    )


def test_a_program_subscribes_and_leaves_with_one_click(app):
    """JSON in, a job to ask for, a mail; its links confirm and, by a mail program's POST, unsubscribe."""
    accepted = app.browser.post_json("/api/subscribers/", {"email": "alice@example.com"})
    state = finished(app.browser, accepted)
    (mail,) = app.mails()
    app.browser.submit(link_in(mail, "confirm"), {})
    is_on_the_list = Subscriber.objects.confirmed().exists()
    left = app.browser.submit(mail["List-Unsubscribe"].strip(" <>"), {"List-Unsubscribe": "One-Click"})

    assert (accepted.status, state["state"]) == (202, "succeeded")
    assert is_on_the_list
    assert "You have left the list" in left.text
    assert Subscriber.objects.get().state == "unsubscribed"


def test_subscribing_twice_sends_one_mail(app):
    """A visitor who presses the button again is shown the mail that is under way."""
    first = app.browser.submit("/", {"email": "alice@example.com"})
    second = app.browser.submit("/", {"email": "ALICE@example.com"})
    wait_until(lambda: Job.objects.get().is_finished)

    assert "/subscriptions/" in first.url
    assert second.url == first.url
    assert len(app.mails()) == 1


def test_a_web_without_a_worker_loses_nothing(stack):
    """What is subscribed while no worker runs is sent when one comes, even if Redis was emptied meanwhile."""
    stack.environment["OFFBEAT_JOBS_LOST_MESSAGE_AFTER"] = "3"
    stack.mail_sink()
    browser = stack.web().browser
    accepted = browser.post_json("/api/subscribers/", {"email": "alice@example.com"})
    with stack.redis.connect() as client:
        client.flushall()

    stack.worker()

    assert finished(browser, accepted)["state"] == "succeeded"
    assert [mail["To"] for mail in stack.mails()] == ["alice@example.com"]


def test_an_old_mail_still_works_after_a_rotation_of_the_key(stack):
    """The key that signed its link is a fallback now; once it is removed the link is dead."""
    link = unsubscribe_link(Subscriber.objects.create(email="alice@example.com", confirmed_at=timezone.now()))
    new = {"SECRET_KEY": secrets.token_urlsafe(50)}

    after_removal = stack.web(**new).browser.get(link)
    rotated = stack.web(**new, SECRET_KEY_FALLBACKS=stack.environment["SECRET_KEY"]).browser.get(link)

    assert (rotated.status, after_removal.status) == (200, 404)
    assert "Leave the list?" in rotated.text


class Greylisting:
    """A mail server that puts everybody off once."""

    def __init__(self):
        self.put_off = []
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  aiosmtpd's name for it
        message_id = re.search(rb"Message-ID: (\S+)", envelope.content)[1]
        if not self.put_off:
            self.put_off.append(message_id)
            return "451 4.7.1 Greylisted: come back later"
        self.mails.append(message_id)
        return "250 OK"


@pytest.fixture
def greylisting(stack):
    handler = Greylisting()
    controller = Controller(handler, hostname="127.0.0.1", port=int(stack.environment["EMAIL_PORT"]))
    controller.start()
    yield handler
    controller.stop()


def test_a_mail_that_is_put_off_is_sent_later_as_the_same_mail(stack, greylisting):
    """A 4xx answer becomes a second attempt, whose Message-ID is the first one's."""
    stack.worker()
    browser = stack.web().browser

    accepted = browser.post_json("/api/subscribers/", {"email": "alice@example.com"})

    assert finished(browser, accepted)["state"] == "succeeded"
    assert greylisting.mails == greylisting.put_off
    assert Job.objects.get().attempt == 2


def test_the_purge_is_a_command_and_a_job(app):
    """The cronjob's command enqueues and exits; the worker forgets whom a week has passed by, and nobody else."""
    late = Subscriber.objects.create(email="bob@example.com", requested_at=timezone.now() - timedelta(days=8))
    young = Subscriber.objects.create(email="dora@example.com")

    (command,) = fire(app, "enqueue_purge_unconfirmed")
    wait_until(lambda: not Subscriber.objects.filter(pk=late.pk).exists())

    assert command.returncode == 0, command.stderr
    assert wait_until(lambda: Job.objects.get(task="newsletter.tasks.purge_unconfirmed").state == "succeeded")
    assert Subscriber.objects.get() == young


def test_the_digest_reaches_everybody_once(app):
    """Fired twice, the digest fans out once, in chunks: each reader gets one mail, and the issue is closed."""
    confirmed(450)
    Note.objects.create(headline="Wake-ups", text="They come late, early, twice or never.")

    commands = fire(app, "enqueue_weekly_digest", times=2)
    wait_until(lambda: Issue.objects.filter(delivered_at__isnull=False).exists(), seconds=60)

    assert [command.returncode for command in commands] == [0, 0]
    assert sorted(mail["To"] for mail in app.mails()) == sorted(f"reader{n}@example.com" for n in range(450))
    assert Delivery.objects.count() == 450
    assert Batch.objects.get().total == 3
    chunks = Job.objects.filter(task="newsletter.tasks.send_chunk")
    assert [(job.progress_done, job.progress_total) for job in chunks.order_by("args")] == [
        (200, 200), (200, 200), (50, 50)
    ]  # fmt: skip


def test_a_killed_worker_does_not_start_the_digest_over(stack):
    """When the machine dies in the middle, another worker mails the rest; at most the mails in its hands come twice."""
    stack.environment |= {"OFFBEAT_JOBS_HEARTBEAT_INTERVAL": "0.5", "OFFBEAT_JOBS_HEARTBEAT_TIMEOUT": "3"}
    stack.mail_sink()
    confirmed(300)
    Note.objects.create(headline="Wake-ups", text="They come late, early, twice or never.")
    worker = stack.worker()
    fire(stack, "enqueue_weekly_digest")
    wait_until(lambda: Delivery.objects.count() >= 30)

    worker.kill()
    had_some = Delivery.objects.count()
    stack.worker()
    wait_until(lambda: Issue.objects.filter(delivered_at__isnull=False).exists(), seconds=60)

    in_hand = int(stack.environment["WORKER_CONCURRENCY"])
    sent = [mail["Message-ID"] for mail in stack.mails()]
    assert had_some < 300
    assert len(set(sent)) == 300
    assert len(sent) <= 300 + in_hand


def test_pages_and_style_come_compressed_and_cacheable(app):
    """The page links to hashed files, which a browser keeps for ever and gets compressed."""
    page = app.browser.get("/").text
    path = re.search(r'href="(/static/newsletter/site\.[0-9a-f]+\.css)"', page)[1]

    address = urlsplit(app.browser.address)
    connection = HTTPConnection(address.hostname, address.port)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
    headers = connection.getresponse().headers
    connection.close()

    assert headers["Content-Encoding"] == "gzip"
    assert "immutable" in headers["Cache-Control"]
