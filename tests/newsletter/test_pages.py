from uuid import uuid4

import pytest
from django.test import Client

from newsletter.links import confirm_link, unsubscribe_link
from newsletter.models import Subscriber
from offbeat.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    """A visitor whose connection is HTTPS as the platform's router says, and whose forms need a CSRF token."""
    return Client(enforce_csrf_checks=True, headers={"x-forwarded-proto": "https", "host": "testserver"})


def path_of(link):
    return "/" + link.split("/", 3)[3]


def send_form(client, email):
    token = client.get("/").context["csrf_token"]
    return client.post(
        "/", {"email": email, "csrfmiddlewaretoken": str(token)}, headers={"origin": "https://testserver"}
    )


def test_subscribing_leads_to_the_state_of_the_mail(client):
    """The form notes the address and sends the visitor to the page of its job."""
    answer = send_form(client, "dora@example.com")

    job = Job.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/subscriptions/{job.pk}/"
    assert Subscriber.objects.get().email == "dora@example.com"


def test_a_wrong_address_is_shown_with_what_would_be_right(client):
    """The form comes back with the entry, the error, and the error tied to the field."""
    answer = send_form(client, "dora@")

    page = answer.content.decode()
    assert answer.status_code == 400
    assert "Enter an address like name@example.com." in page
    assert 'value="dora@"' in page
    assert 'aria-invalid="true"' in page
    assert Subscriber.objects.count() == 0


def test_a_form_without_its_token_is_explained(client):
    """A stale form is answered with a page that says what to do, and changes nothing."""
    answer = client.post("/", {"email": "dora@example.com"}, headers={"origin": "https://testserver"})

    assert answer.status_code == 403
    assert "The form had grown stale" in answer.content.decode()
    assert Subscriber.objects.count() == 0


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("pending", "Noted"),
        ("published", "On its way"),
        ("running", "On its way"),
        ("succeeded", "Look into your inbox"),
        ("dead", "The mail could not be sent"),
    ],
)
def test_the_page_of_the_mail_tells_its_state_without_script(client, state, headline):
    """The one headline that is not hidden is the state's."""
    job = Job.objects.create(task="t", queue="mail", max_attempts=1, state=state)

    page = client.get(f"/subscriptions/{job.pk}/").content.decode()

    (shown,) = [part for part in page.split("data-for=")[1:] if "hidden" not in part.split(">")[0]]
    assert f"<h1>{headline}</h1>" in shown


def test_every_state_has_words(client):
    """The page of the mail says something in each state that a job can have."""
    job = Job.objects.create(task="t", queue="mail", max_attempts=1)

    page = client.get(f"/subscriptions/{job.pk}/").content.decode()

    named = {word for part in page.split('data-for="')[1:] for word in part.split('"')[0].split()}
    assert named == set(Job.State.values)


def test_an_unknown_job_has_no_page(client):
    """An id that nobody was given is answered with our own page of 404."""
    answer = client.get(f"/subscriptions/{uuid4()}/")

    assert answer.status_code == 404
    assert "There is nothing at this address" in answer.content.decode()


def test_opening_the_link_confirms_nothing(client, bob):
    """Mail scanners open every link, so a GET only shows the button."""
    answer = client.get(path_of(confirm_link(bob)))

    bob.refresh_from_db()
    assert "Yes, subscribe me" in answer.content.decode()
    assert bob.state == "pending"


def test_the_button_confirms(client, bob):
    """The POST needs no cookie: the signed link is the permission."""
    answer = client.post(path_of(confirm_link(bob)))

    bob.refresh_from_db()
    assert "You are on the list" in answer.content.decode()
    assert bob.state == "confirmed"


def test_confirming_after_leaving_is_refused_in_words(client, charlie):
    """An old confirmation link offers to subscribe anew."""
    answer = client.post(path_of(confirm_link(charlie)))

    charlie.refresh_from_db()
    assert "You have left the list" in answer.content.decode()
    assert charlie.state == "unsubscribed"


@pytest.mark.parametrize("page", ["confirm", "unsubscribe"])
def test_a_dead_link_is_explained(client, page):
    """A link that was cut off leads to a page that offers to subscribe again."""
    answer = client.get(f"/{page}/MQ:cut/")

    assert answer.status_code == 404
    assert "This link does not work any more" in answer.content.decode()


def test_opening_the_unsubscribe_link_changes_nothing(client, alice):
    """A GET only shows the button."""
    answer = client.get(path_of(unsubscribe_link(alice)))

    alice.refresh_from_db()
    assert "Leave the list?" in answer.content.decode()
    assert alice.state == "confirmed"


def test_one_click_unsubscribes_without_a_redirect(client, alice):
    """A mail program's POST is answered in place, as RFC 8058 demands, without a cookie."""
    answer = client.post(path_of(unsubscribe_link(alice)), {"List-Unsubscribe": "One-Click"})

    alice.refresh_from_db()
    assert answer.status_code == 200
    assert "You have left the list" in answer.content.decode()
    assert alice.state == "unsubscribed"


def test_the_pages_keep_to_the_content_security_policy(client, alice, bob):
    """No page has inline script or style, and each is sent with the policy that forbids them."""
    job = Job.objects.create(task="t", queue="mail", max_attempts=1)
    paths = [
        "/",
        f"/subscriptions/{job.pk}/",
        path_of(confirm_link(bob)),
        path_of(unsubscribe_link(alice)),
        "/nowhere/",
    ]

    for path in paths:
        answer = client.get(path)
        page = answer.content.decode()
        assert "default-src 'none'" in answer["Content-Security-Policy"]
        assert "unsafe" not in answer["Content-Security-Policy"]
        assert "<style" not in page
        assert "style=" not in page
        assert page.count("<script") == page.count("<script src=")


def test_the_personal_pages_are_neither_stored_nor_indexed(client, bob):
    """A page behind a signed link stays out of caches, search engines and Referer headers."""
    answer = client.get(path_of(confirm_link(bob)))

    page = answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert '<meta name="robots" content="noindex">' in page
    assert '<meta name="referrer" content="no-referrer">' in page


def test_the_strip_of_development_is_not_shown_in_production(client, settings):
    """Links to the mail sink appear with DEBUG only."""
    settings.DEBUG = False
    assert "/local/mail/" not in client.get("/").content.decode()

    settings.DEBUG = True
    assert "/local/mail/" in client.get("/").content.decode()
