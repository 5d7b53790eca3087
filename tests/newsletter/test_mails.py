import re
from smtplib import SMTPRecipientsRefused

import pytest

from newsletter import links, mails


@pytest.fixture(autouse=True)
def address(settings):
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
        assert links.subscriber_to_confirm(link.split("/")[-2]) == bob
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
    assert links.subscriber_to_release(link.split("/")[-2]) == bob
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_reminder_has_no_link_to_confirm(alice):
    """Whoever is on the list is told so, and offered the way out."""
    message = mails.reminder(alice, "k")

    assert "You are on the list already" in message.body
    assert confirm_links(message.body + html_of(message)) == []
    assert "https://letter.example.com/unsubscribe/" in message.body


def test_an_address_cannot_smuggle_markup_into_the_mail(bob):
    """The text of a mail is not escaped, the HTML is."""
    message = mails.mail(
        "confirmation", "S", bob, "k", {"link": "https://x/?a=1&b=<i>", "until": bob.confirm_until}
    )

    assert "https://x/?a=1&b=<i>" in message.body
    assert "https://x/?a=1&amp;b=&lt;i&gt;" in html_of(message)


@pytest.mark.parametrize(("code", "error"), [(550, mails.AddressRefusedError), (450, SMTPRecipientsRefused)])
def test_only_a_lasting_refusal_is_final(bob, code, error, monkeypatch):
    """A 5xx answer for the address ends the job at once; a 4xx one (greylisting) is left to be tried again."""

    def refuse(_message):
        raise SMTPRecipientsRefused({bob.email: (code, b"no")})

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)

    with pytest.raises(error):
        mails.send(mails.confirmation(bob, "k"))
