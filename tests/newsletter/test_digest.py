import tracemalloc
from datetime import timedelta
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import connection

from newsletter import digest
from newsletter.models import Delivery, Issue, Note, Subscriber
from newsletter.tasks import close_digest, send_chunk, send_weekly_digest
from offbeat.jobs import Batch, Job
from offbeat.jobs.testing import run_jobs
from tests.newsletter.conftest import received


def test_notes_become_the_issue_of_the_week(note, now):
    """Every note that waits goes into the issue."""
    issue = digest.compose(now)

    note.refresh_from_db()
    assert note.issue == issue
    assert issue.week == "2026-W47"


def test_a_week_has_one_issue(issue, now):
    """What is written after the issue has gone out waits for the next week's."""
    late = Note.objects.create(headline="Late", text="x", written_at=now)

    assert digest.compose(now + timedelta(days=6)) is None
    assert digest.compose(now + timedelta(days=7)).week == "2026-W48"
    late.refresh_from_db()
    assert late.issue.week == "2026-W48"


def test_nothing_written_makes_no_issue(db, now):
    """A week without notes has no letter."""
    assert digest.compose(now) is None
    assert Issue.objects.count() == 0


def test_the_list_is_cut_into_chunks(issue, readers, bob, charlie, monkeypatch):
    """Each confirmed subscriber is in one chunk; the issue knows how many there are."""
    monkeypatch.setattr(digest, "CHUNK", 2)

    ranges = list(digest.chunks(issue))

    assert ranges == [
        (readers[0].pk, readers[1].pk),
        (readers[2].pk, readers[3].pk),
        (readers[4].pk, readers[4].pk),
    ]
    issue.refresh_from_db()
    assert issue.recipients == 5


def test_a_long_list_is_never_in_memory_as_a_whole(issue, now):
    """Cutting ten times the subscribers into chunks takes about the same memory."""

    def peak_of_cutting(count):
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO newsletter_subscriber (email, requested_at, confirmed_at)"
                " SELECT 'reader' || n || '@example.com', %(now)s, %(now)s FROM generate_series(1, %(count)s) AS n",
                {"now": now, "count": count},
            )
        tracemalloc.start()
        try:
            assert sum(1 for _ in digest.chunks(issue)) == count / digest.CHUNK
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            Subscriber.objects.all().delete()

    few, many = peak_of_cutting(4_000), peak_of_cutting(40_000)

    assert many < 1.5 * few


def test_the_digest_is_fanned_out_in_a_batch(note, readers, monkeypatch, run):
    """The job of the digest leaves one job a chunk behind, on the queue of mails, in a sealed batch."""
    monkeypatch.setattr(digest, "CHUNK", 2)

    run(send_weekly_digest)

    batch = Batch.objects.get()
    jobs = Job.objects.filter(batch=batch)
    assert (batch.name, batch.total) == ("weekly-digest 2026-W47", 3)
    assert {(job.task, job.queue, job.args[0]) for job in jobs} == {
        ("newsletter.tasks.send_chunk", "mail", Issue.objects.get().pk)
    }


def test_a_digest_that_is_fired_twice_goes_out_once(note, readers, run):
    """The second run in a week enqueues nothing."""
    run(send_weekly_digest)
    run(send_weekly_digest)

    assert Batch.objects.count() == 1
    assert Job.objects.count() == 1


def test_a_digest_for_an_empty_list_is_closed_at_once(note, run):
    """A batch without chunks is followed by the job that closes the issue."""
    run(send_weekly_digest)

    assert Job.objects.get().task == "newsletter.tasks.close_digest"


def test_a_chunk_mails_its_readers_once(issue, readers, alice, run):
    """Each reader of the range gets the issue; running the chunk again sends nothing."""
    for _ in range(2):
        run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert received() == [reader.email for reader in readers]
    assert Delivery.objects.filter(issue=issue).count() == 5


def test_each_mail_is_noted_before_the_next_one_is_sent(issue, readers, monkeypatch, run):
    """Whoever dies in the middle has one mail in hand, not a handful: only that one can come twice."""
    noted, take = [], EmailBackend.send_messages

    def send_messages(self, messages):
        noted.append(Delivery.objects.count())
        return take(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", send_messages)

    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert noted == [0, 1, 2, 3, 4]


def test_a_mail_more_costs_one_statement_more(issue, readers, monkeypatch, django_assert_num_queries):
    """However long a chunk is, it reads the issue's notes once; each mail asks PostgreSQL only to be noted."""
    monkeypatch.setattr(digest, "LOOK_AGAIN", 1_000)
    for already, more in ((0, 1), (1, 4)):
        with django_assert_num_queries(1 + more):
            list(digest.deliver(issue, readers[already : already + more]))


def test_a_delivery_that_another_attempt_has_noted_is_kept(issue, readers):
    """An attempt that was taken for lost wakes up and notes the same: the first note counts, and nothing fails."""
    digest.note_delivery(issue, readers[0], is_refused=True)
    digest.note_delivery(issue, readers[0], is_refused=False)

    assert Delivery.objects.get().is_refused


def test_whoever_left_meanwhile_gets_nothing(issue, readers, now, run):
    """Unsubscribing counts up to the moment in which the mail would be sent."""
    readers[1].unsubscribe(now)

    run(send_chunk, issue.pk, readers[0].pk, readers[2].pk)

    assert received() == [readers[0].email, readers[2].email]


def test_an_attempt_goes_on_where_the_last_one_failed(issue, readers, answers, run):
    """When the mail server hangs up, the next attempt mails those who have nothing yet, and nobody else."""
    answers[readers[2].email] = SMTPServerDisconnected("bye")
    subscribers = digest.recipients(issue, readers[0].pk, readers[-1].pk)

    with pytest.raises(SMTPServerDisconnected):
        list(digest.deliver(issue, subscribers))
    run(send_chunk, issue.pk, readers[0].pk, readers[-1].pk)

    assert received() == [reader.email for reader in readers]


def test_a_refused_address_does_not_hold_up_the_others(issue, readers, answers, run):
    """An address that the server refuses for good is noted, and not tried again."""
    answers[readers[0].email] = SMTPRecipientsRefused({readers[0].email: (550, b"unknown")})

    run(send_chunk, issue.pk, readers[0].pk, readers[1].pk)

    assert received() == [readers[1].email]
    assert [delivery.subscriber for delivery in Delivery.objects.filter(is_refused=True)] == [readers[0]]
    assert digest.recipients(issue, readers[0].pk, readers[1].pk) == []


def test_the_letter_tells_its_notes(issue, alice, settings, run):
    """The mail has each note in text and HTML, a List-Id, and a Message-ID of issue and reader."""
    settings.BASE_URL = "https://letter.example.com"

    run(send_chunk, issue.pk, alice.pk, alice.pk)

    (message,) = mail.outbox
    html = message.alternatives[0].content
    assert message.subject == "Wake-ups"
    assert "A < B" in message.body
    assert "A &lt; B" in html
    assert "https://example.com/1" in message.body
    assert message.extra_headers["Message-ID"] == f"<digest.2026-W47.{alice.pk}@letter.example.com>"
    assert message.extra_headers["List-Id"] == "The Offbeat Letter <weekly.letter.example.com>"


def test_closing_notes_when_the_issue_was_out(issue, now, run):
    """The first closing counts."""
    run(close_digest, issue.pk)

    issue.refresh_from_db()
    assert issue.delivered_at == now


def test_the_digest_goes_out_in_spite_of_a_failing_server(note, readers, answers, monkeypatch):
    """From the cronjob's job to the closed issue: a chunk that fails is tried again, and every reader has one mail."""
    monkeypatch.setattr(digest, "CHUNK", 2)
    answers[readers[3].email] = SMTPServerDisconnected("bye")
    send_weekly_digest.enqueue()

    run_jobs(ahead=timedelta(minutes=1))

    assert sorted(received()) == [reader.email for reader in readers]
    assert Issue.objects.get().delivered_at is not None
    assert set(Job.objects.values_list("state", flat=True)) == {"succeeded"}
