from datetime import timedelta

import pytest
from django.core import mail

from newsletter.models import SignupReport
from newsletter.report import report
from newsletter.tasks import send_signup_report

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def staff(settings):
    settings.ADMINS = [("Ops", "ops@example.com")]
    settings.BASE_URL = "https://letter.example.com"


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_the_report_counts_the_hour(everybody, now):
    """Who asked, confirmed and left within the last full hour is counted."""
    made = report(now + HOUR + timedelta(minutes=5))

    assert (made.since, made.until) == (now, now + HOUR)
    assert (made.requested, made.confirmed, made.unsubscribed) == (3, 2, 1)


def test_an_hour_is_reported_once(everybody, now):
    """A second run in the same hour has nothing to report."""
    assert report(now + HOUR)
    assert report(now + HOUR + timedelta(minutes=59)) is None


def test_a_missed_hour_is_told_later(everybody, now):
    """The next report starts where the last one ended, however long ago."""
    report(now)

    made = report(now + 5 * HOUR)

    assert (made.since, made.until) == (now, now + 5 * HOUR)
    assert made.requested == 3


def test_the_report_is_mailed_to_the_admins(everybody, now, at, run):
    """The mail says the numbers, under a Message-ID of the hour."""
    at(now + HOUR)

    run(send_signup_report)

    (message,) = mail.outbox
    assert message.to == ["ops@example.com"]
    assert message.subject == "2 confirmed, 1 left"
    assert "From 16 November 2026, 09:00 to 16 November 2026, 10:00 UTC" in message.body
    assert "asked to subscribe  3" in message.body
    assert message.extra_headers["Message-ID"] == "<report.2026111610@letter.example.com>"


def test_a_quiet_hour_is_kept_and_not_mailed(db, now, run):
    """Where nothing happened, the report is a row and no mail."""
    run(send_signup_report)

    assert SignupReport.objects.get().is_empty
    assert mail.outbox == []


def test_without_admins_nobody_is_mailed(everybody, now, at, settings, run):
    """A report that nobody is to get is kept all the same."""
    settings.ADMINS = []
    at(now + HOUR)

    run(send_signup_report)

    assert SignupReport.objects.count() == 1
    assert mail.outbox == []
