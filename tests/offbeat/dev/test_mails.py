"""The mails' pages: what a developer reads, and what a mail's HTML must not do."""

from __future__ import annotations

import mailbox
from email.message import EmailMessage

import pytest
from django.test import Client
from django.urls import clear_url_caches, include, path

from tests.offbeat.sample_project import urls

urlpatterns = [*urls.urlpatterns, path("local/", include("offbeat.dev.urls"))]

pytestmark = pytest.mark.urls("tests.offbeat.dev.test_mails")


@pytest.fixture
def maildir(settings, tmp_path):
    settings.MAIL_SINK_DIR = tmp_path / "mail"
    return mailbox.Maildir(settings.MAIL_SINK_DIR)


def mail(subject, text="Hello", html=""):
    message = EmailMessage()
    message["Subject"] = subject
    message["To"] = "alice@example.com"
    message["Date"] = "Mon, 16 Nov 2026 09:00:00 +0000"
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    return message


def test_an_empty_mailbox_says_what_to_do(client, maildir):
    """Before the first mail the page says how to get one."""
    assert "No mail yet" in client.get("/local/mail/").content.decode()


def test_the_newest_mail_is_first(client, maildir):
    """Mails are listed newest first, with whom they went to."""
    for subject in ("First", "Second", "Third"):
        maildir.add(mail(subject))

    page = client.get("/local/mail/").content.decode()

    assert page.index("Third") < page.index("Second") < page.index("First")
    assert "alice@example.com" in page


def test_links_in_the_text_can_be_clicked(client, maildir):
    """A confirmation link is a link, not text to be copied."""
    key = maildir.add(mail("Confirm", "Go to http://localhost:8000/confirm/abc now"))

    page = client.get(f"/local/mail/{key}/").content.decode()

    assert '<a href="http://localhost:8000/confirm/abc"' in page


def test_text_is_never_markup(client, maildir):
    """What a mail says in its subject or text is shown, not run."""
    key = maildir.add(mail("<script>1</script>", "<script>2</script>"))

    page = client.get(f"/local/mail/{key}/").content.decode() + client.get("/local/mail/").content.decode()

    assert "<script>" not in page


def test_html_is_shown_in_a_frame_that_may_do_nothing(client, maildir):
    """A mail's HTML keeps its styles, runs no script, loads nothing, and only our own page may frame it."""
    key = maildir.add(mail("News", "Text", "<p style='color: red'>News</p>"))

    page = client.get(f"/local/mail/{key}/").content.decode()
    part = client.get(f"/local/mail/{key}/html/")

    assert '<iframe sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert f'src="/local/mail/{key}/html/"' in page
    assert "<p style='color: red'>News</p>" in part.content.decode()
    assert part["X-Frame-Options"] == "SAMEORIGIN"
    assert "default-src 'none'" in part["Content-Security-Policy"]
    assert "script-src" not in part["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in part["Content-Security-Policy"]


def test_the_pages_obey_the_strict_policy(client, maildir):
    """The pages themselves need no inline style and no script."""
    key = maildir.add(mail("News"))

    for address in ("/local/mail/", f"/local/mail/{key}/"):
        answer = client.get(address)
        assert "unsafe-inline" not in answer["Content-Security-Policy"]
        assert " style=" not in answer.content.decode()


@pytest.mark.parametrize("key", ["gone", "..", "%2e%2e%2fpasswd", "1.M1P1Q1.host"])
def test_a_mail_that_is_not_there_is_not_found(client, maildir, key):
    """A wrong key is a 404, whatever it looks like."""
    assert client.get(f"/local/mail/{key}/").status_code == 404


@pytest.mark.urls("tests.offbeat.sample_project.urls")
def test_without_debug_there_are_no_such_pages(maildir):
    """In production nobody reads anybody's mail."""
    clear_url_caches()

    assert Client().get("/local/mail/").status_code == 404
