from datetime import timedelta

import pytest
from django.db import transaction

from newsletter.models import Subscriber
from newsletter.subscription import subscribe
from offbeat.jobs.models import Job

pytestmark = pytest.mark.django_db


def test_a_new_address_gets_a_job_that_asks_it_to_confirm(now):
    """Subscribing notes the address and the job that mails it, on the queue of mails."""
    job = subscribe("dora@example.com")

    dora = Subscriber.objects.get()
    assert Job.objects.get() == job
    assert (job.task, job.queue, job.args) == ("newsletter.tasks.send_confirmation", "mail", [dora.pk])


def test_the_address_and_its_job_are_noted_together(now):
    """A transaction that is rolled back leaves neither the address nor the job behind."""
    with transaction.atomic():
        subscribe("dora@example.com")
        transaction.set_rollback(True)

    assert Subscriber.objects.count() == 0
    assert Job.objects.count() == 0


def test_subscribing_twice_gives_the_same_job(now):
    """A second request a moment later, in whatever spelling, gets the first one's job and sends no second mail."""
    first = subscribe("dora@example.com")
    second = subscribe("Dora@Example.com")

    assert second == first
    assert Job.objects.count() == 1


def test_subscribing_again_later_gives_a_new_job(bob, now, monkeypatch):
    """Whoever lost the mail can ask for another after a quarter of an hour."""
    first = subscribe(bob.email)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(minutes=15))
    second = subscribe(bob.email)

    assert second != first
    assert Job.objects.count() == 2


def test_a_confirmed_address_is_told_so_by_mail_only(alice):
    """Subscribing a confirmed address gives a job like any other; its mail says that nothing is to be done."""
    job = subscribe(alice.email)

    assert (job.task, job.args) == ("newsletter.tasks.send_reminder", [alice.pk])
    alice.refresh_from_db()
    assert alice.state == "confirmed"


def test_whoever_left_is_asked_to_confirm_again(charlie):
    """An address that has left the list can come back, through a confirmation."""
    job = subscribe(charlie.email)

    assert job.task == "newsletter.tasks.send_confirmation"
    charlie.refresh_from_db()
    assert charlie.state == "pending"
