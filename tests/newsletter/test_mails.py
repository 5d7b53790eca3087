import re
from datetime import timedelta
from smtplib import SMTPRecipientsRefused

import pytest
from django.core import mail, signing

from newsletter import mails
from newsletter.models import Issue, SignupReport
from newsletter.tasks import send_signup_report

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def site(settings):
    settings.ADMINS = ["ops@example.com"]
    settings.BASE_URL = "https://letter.example.com"


def confirm_links(text):
    return re.findall(r"https://letter\.example\.com/confirm/[\w:=-]+/", text)


def html_of(message):
    return next(content for content, kind in message.alternatives if kind == "text/html")


def test_the_confirmation_carries_its_link_in_text_and_html(bob):
    """Both versions of the confirmation have a link that confirms, once."""
    message = mails.confirmation(bob, "k")

    for body in (message.body, html_of(message)):
        (link,) = confirm_links(body)
        assert mails.find_by_confirm_token(link.split("/")[-2]) == bob
    assert message.to == ["bob@example.com"]
    assert message.subject == "Please confirm your subscription"


def test_the_confirmation_says_until_when(bob):
    """The mail names the moment after which the address is forgotten."""
    message = mails.confirmation(bob, "k")

    assert "until 23 November 2026, 09:00 UTC" in message.body
    assert "until 23 November 2026, 09:00 UTC" in html_of(message)


def test_a_mail_has_the_same_message_id_on_every_attempt(bob):
    """The Message-ID depends on the mail's kind and its job alone."""
    first = mails.confirmation(bob, "01a1f854").message()
    second = mails.confirmation(bob, "01a1f854").message()

    assert first["Message-ID"] == second["Message-ID"] == "<confirmation.01a1f854@letter.example.com>"


def test_a_mail_can_be_left_with_one_click(bob):
    """The headers of RFC 8058 offer the mail program a link that it may POST to."""
    headers = mails.confirmation(bob, "k").message()

    link = headers["List-Unsubscribe"].removeprefix("<").removesuffix(">")
    assert mails.find_by_unsubscribe_token(link.split("/")[-2]) == bob
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_reminder_has_no_link_to_confirm(alice):
    """Whoever is on the list is told so, and offered the way out."""
    message = mails.reminder(alice, "k")

    assert "You are on the list already" in message.body
    assert confirm_links(message.body + html_of(message)) == []
    assert "https://letter.example.com/unsubscribe/" in message.body


def test_a_letter_that_is_rendered_once_has_the_link_of_each(alice, bob):
    """What many get is rendered once for all of them; the way out of the list is each one's own, in all its places."""
    issue = Issue.objects.create(week="2026-W48")
    issue.notes.create(headline="News", text="x")
    content = mails.digest_content(issue)

    for subscriber in (alice, bob):
        message = mails.digest(issue, subscriber, content)
        link = message.extra_headers["List-Unsubscribe"].strip("<>")
        assert mails.find_by_unsubscribe_token(token_of(link)) == subscriber
        assert f"To leave the list: {link}\n" in message.body
        assert f'href="{link}"' in html_of(message)
        assert mails.LEAVE not in message.message().as_string()


def test_nothing_smuggles_a_header_into_the_mail(alice, now):
    """A headline that a form let through with a line break makes a subject, and no copy for somebody else."""
    issue = Issue.objects.create(week="2026-W48")
    issue.notes.create(headline="News\nBcc: mallory@example.com", text="x")

    sent = mails.digest(issue, alice).message()

    assert sent["Subject"] == "News Bcc: mallory@example.com"
    assert sent["Bcc"] is None


def test_nothing_smuggles_markup_into_the_mail(bob):
    """The text of a mail is not escaped, the HTML is."""
    message = mails.letter("sample", "S", "<b>", bob, key="k", link="https://x/?a=1&b=<i>")

    assert "<b>\n\nhttps://x/?a=1&b=<i>\n\nTo leave the list: https://letter" in message.body
    assert "&lt;b&gt;" in html_of(message)
    assert "https://x/?a=1&amp;b=&lt;i&gt;" in html_of(message)


@pytest.mark.parametrize(("code", "error"), [(550, mails.AddressRefusedError), (450, SMTPRecipientsRefused)])
def test_only_a_lasting_refusal_is_final(bob, code, error, monkeypatch):
    """A 5xx answer for the address ends the job at once; a 4xx one (greylisting) is left to be tried again."""

    def refuse(_message):
        raise SMTPRecipientsRefused({bob.email: (code, b"no")})

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

    with pytest.raises(error):
        mails.send(mails.confirmation(bob, "k"))


def token_of(link):
    return link.rstrip("/").rpartition("/")[2]


@pytest.fixture
def signed_at(monkeypatch):
    """Sets the clock that signatures are stamped with."""

    def set_clock(moment):
        monkeypatch.setattr("django.core.signing.time.time", moment.timestamp)

    return set_clock


def test_links_start_with_the_public_address(bob):
    """The links of a mail lead to BASE_URL, since no request is there to tell the host."""
    assert mails.confirm_link(bob).startswith("https://letter.example.com/confirm/")
    assert mails.unsubscribe_link(bob).startswith("https://letter.example.com/unsubscribe/")


def test_a_link_leads_to_its_subscriber(alice, bob):
    """Each token is read back as the subscriber that it was made for."""
    assert mails.find_by_confirm_token(token_of(mails.confirm_link(bob))) == bob
    assert mails.find_by_unsubscribe_token(token_of(mails.unsubscribe_link(alice))) == alice


def test_an_unsubscribe_token_does_not_confirm(bob):
    """The unsubscribe link stands in a header that mail servers see: it must not serve to confirm."""
    with pytest.raises(mails.DeadLinkError):
        mails.find_by_confirm_token(token_of(mails.unsubscribe_link(bob)))


@pytest.mark.parametrize(
    "harm", [lambda t: t[:-1], lambda t: "9" + t, lambda _: "x"], ids=["cut", "forged", "junk"]
)
def test_a_harmed_link_is_dead(bob, harm):
    """A token that lacks a character, or names somebody else, leads to nobody."""
    with pytest.raises(mails.DeadLinkError):
        mails.find_by_confirm_token(harm(token_of(mails.confirm_link(bob))))


def test_a_confirmation_link_dies_after_a_week(bob, now, signed_at):
    """It is good for seven days and no longer."""
    signed_at(now)
    token = token_of(mails.confirm_link(bob))

    signed_at(now + timedelta(days=7))
    assert mails.find_by_confirm_token(token) == bob
    signed_at(now + timedelta(days=7, seconds=1))
    with pytest.raises(mails.DeadLinkError):
        mails.find_by_confirm_token(token)


def test_an_unsubscribe_link_works_for_years(alice, now, signed_at):
    """Whoever finds an old mail can still leave."""
    signed_at(now)
    token = token_of(mails.unsubscribe_link(alice))

    signed_at(now + timedelta(days=3650))
    assert mails.find_by_unsubscribe_token(token) == alice


def test_the_link_of_a_purged_subscriber_is_dead(bob):
    """A link outlives its row without an error."""
    token = token_of(mails.confirm_link(bob))
    bob.delete()

    with pytest.raises(mails.DeadLinkError):
        mails.find_by_confirm_token(token)


def test_a_signature_of_another_purpose_is_dead(bob):
    """A token that the same key signed for something else is refused."""
    with pytest.raises(mails.DeadLinkError):
        mails.find_by_confirm_token(signing.dumps(bob.pk))


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    return lambda moment: monkeypatch.setattr("django.utils.timezone.now", lambda: moment)


def test_the_report_counts_the_hour(everybody, now):
    """Who asked, confirmed and left within the last full hour is counted."""
    made = SignupReport.make(now + HOUR + timedelta(minutes=5))

    assert (made.since, made.until) == (now, now + HOUR)
    assert (made.requested, made.confirmed, made.unsubscribed) == (3, 2, 1)


def test_an_hour_is_reported_once(everybody, now):
    """A second run in the same hour has nothing to report."""
    assert SignupReport.make(now + HOUR)
    assert SignupReport.make(now + HOUR + timedelta(minutes=59)) is None


def test_a_missed_hour_is_told_later(everybody, now):
    """The next report starts where the last one ended, however long ago."""
    SignupReport.make(now)

    made = SignupReport.make(now + 5 * HOUR)

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


@pytest.mark.parametrize(
    ("make", "find"),
    [
        (mails.confirm_link, mails.find_by_confirm_token),
        (mails.unsubscribe_link, mails.find_by_unsubscribe_token),
    ],
    ids=["confirm", "unsubscribe"],
)
def test_a_link_outlives_its_key_while_that_is_a_fallback(bob, settings, make, find):
    """After a rotation of SECRET_KEY old mails still work, until their key is removed from SECRET_KEY_FALLBACKS."""
    token = token_of(make(bob))

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-key" * 8, [settings.SECRET_KEY]
    assert find(token) == bob
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(mails.DeadLinkError):
        find(token)
