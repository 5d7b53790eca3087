"""A digest whose mails are refused, one or all of them, or whose readers go while it is sent."""

from datetime import timedelta
from smtplib import SMTPDataError, SMTPRecipientsRefused

import pytest
from django.core.mail.backends.locmem import EmailBackend

from newsletter import digest
from newsletter.models import Delivery, Issue, Subscriber
from newsletter.tasks import send_chunk, send_weekly_digest
from offbeat.jobs import Job
from offbeat.jobs.testing import run_jobs
from tests.newsletter.conftest import received


def postponed(reader):
    return SMTPRecipientsRefused({reader.email: (452, b"4.2.2 mailbox full")})


def refused(reader, text=b"5.1.1 unknown"):
    return SMTPRecipientsRefused({reader.email: (550, text)})


@pytest.mark.parametrize("error", [postponed, lambda reader: SMTPDataError(554, b"5.6.0 not this one")])
def test_an_address_that_is_postponed_does_not_hold_up_those_behind_it(issue, readers, answers, run, error):
    """A full mailbox costs the others nothing: they have the issue at once, and the next attempt is for it alone."""
    answers[readers[1].email] = error(readers[1])

    with pytest.raises(OSError, match="mailbox full|not this one"):
        run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    others = [reader.email for reader in readers if reader != readers[1]]
    assert received() == others
    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)
    assert received() == [*others, readers[1].email]


def test_a_server_that_postpones_all_is_left_alone(issue, readers, answers, monkeypatch):
    """After some in a row the rest waits for the next attempt: a server that limits its rate is not asked for each."""
    monkeypatch.setattr(digest, "IN_A_ROW", 3)
    for reader in readers:
        answers[reader.email] = postponed(reader)

    with pytest.raises(SMTPRecipientsRefused):
        list(digest.deliver(issue, readers))

    assert list(answers) == [reader.email for reader in readers[3:]]


def test_a_server_that_refuses_all_has_refused_no_address(issue, readers, answers, monkeypatch, run):
    """It takes no mails from us: nobody is noted, and all have the issue when it does."""
    monkeypatch.setattr(digest, "MANY", 5)
    for reader in readers:
        answers[reader.email] = refused(reader, b"5.7.1 relaying denied")

    with pytest.raises(SMTPRecipientsRefused, match="relaying denied"):
        run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert Delivery.objects.count() == 0
    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)
    assert received() == [reader.email for reader in readers]


def test_addresses_that_are_refused_before_the_first_mail_is_taken_are_noted(
    issue, readers, answers, monkeypatch, run
):
    """That one is taken shows that the others were refused for their own sake."""
    monkeypatch.setattr(digest, "MANY", 4)
    for reader in readers[:-1]:
        answers[reader.email] = refused(reader)

    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert received() == [readers[-1].email]
    assert Delivery.objects.filter(is_refused=True).count() == 4


def test_whoever_leaves_while_a_slow_server_takes_the_others_gets_nothing(
    issue, readers, now, monkeypatch, run
):
    """A chunk may take minutes: who has left is looked up again."""
    monkeypatch.setattr(digest, "LOOK_AGAIN", 0)
    take = EmailBackend.send_messages

    def send_messages(self, messages):
        readers[2].unsubscribe(now)
        return take(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)

    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert received() == [reader.email for reader in readers if reader != readers[2]]


@pytest.mark.django_db(transaction=True)
def test_a_reader_who_is_deleted_while_the_mail_is_sent_fails_nobody(issue, readers, monkeypatch, run):
    """There is nobody to note it for; those behind have their mail."""
    take = EmailBackend.send_messages

    def send_messages(self, messages):
        Subscriber.objects.filter(email=messages[0].to[0], pk=readers[1].pk).delete()
        return take(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)

    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert received() == [reader.email for reader in readers]
    assert Delivery.objects.count() == 4


def test_the_digest_goes_out_in_spite_of_a_full_mailbox(note, readers, answers):
    """From the cronjob's job to the closed issue: every reader has one mail."""
    answers[readers[0].email] = postponed(readers[0])
    send_weekly_digest.enqueue()

    run_jobs(ahead=timedelta(minutes=1))

    assert received() == [reader.email for reader in [*readers[1:], readers[0]]]
    assert Issue.objects.get().delivered_at is not None
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
