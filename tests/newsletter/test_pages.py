"""The newsletter's pages and its JSON: the form, the state of a mail, and the links in mails, with and without script."""

from uuid import uuid4

import pytest
from django.test import Client

from newsletter.mails import confirm_link, unsubscribe_link
from newsletter.models import Subscriber
from offbeat.jobs import Job

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
    assert "The form has expired" in answer.content.decode()
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
    assert "There is no page at this address" in answer.content.decode()


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


# JSON


def post(client, body, content_type="application/json"):
    return client.post("/api/subscribers/", body, content_type=content_type)


def test_subscribing_is_accepted_with_a_job_to_ask_for(client):
    """The answer is 202 with the job's id and the address of its state."""
    answer = post(client, {"email": "dora@example.com"})

    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"job": str(job.pk), "url": f"/api/subscriptions/{job.pk}/"}
    assert answer["Location"] == f"/api/subscriptions/{job.pk}/"
    assert Subscriber.objects.get().email == "dora@example.com"


def test_a_confirmed_address_gets_the_same_answer(client, alice):
    """Nobody can find out by asking whether an address is on the list."""
    known = post(client, {"email": alice.email})
    new = post(client, {"email": "dora@example.com"})

    assert known.status_code == new.status_code == 202
    assert known.json().keys() == new.json().keys()
    assert known.headers.keys() == new.headers.keys()
    told = [client.get(answer.json()["url"]).json() for answer in (known, new)]
    assert [state | {"job": None} for state in told] == [
        {"job": None, "state": "published", "finished": False, "progress": {"done": 0, "total": 0}}
    ] * 2


@pytest.mark.parametrize(
    ("body", "status", "errors"),
    [
        ('{"email": "dora@"}', 400, {"email": ["Enter an address like name@example.com."]}),
        ("{}", 400, {"email": ["Enter your email address."]}),
        ('{"email": ["dora@example.com"]}', 400, {"email": ["Enter an address like name@example.com."]}),
        ('["dora@example.com"]', 400, {"body": ['should be an object like {"email": "name@example.com"}']}),
        ("email=dora@example.com", 400, {"body": ["should be JSON"]}),
        (b"\xff", 400, {"body": ["should be JSON"]}),
        ("[" * 100_000, 400, {"body": ["should be JSON"]}),
    ],
)
def test_what_is_wrong_is_told(client, body, status, errors):
    """Each mistake is answered with where it is and what would be right, and changes nothing."""
    answer = post(client, body)

    assert answer.status_code == status
    assert answer.json() == {"errors": errors}
    assert Subscriber.objects.count() == 0


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
def test_only_json_is_taken(client, content_type):
    """What a foreign page's form could send is refused, since this address asks for no CSRF token."""
    answer = post(client, '{"email": "dora@example.com"}', content_type)

    assert answer.status_code == 415
    assert answer.json() == {"errors": {"body": [f"should be application/json, got {content_type}"]}}
    assert Subscriber.objects.count() == 0


def test_only_post_subscribes(client):
    """A GET of the list is refused: nobody may read it."""
    assert client.get("/api/subscribers/").status_code == 405


@pytest.mark.parametrize(("state", "is_finished"), [("running", False), ("succeeded", True), ("dead", True)])
def test_a_job_tells_its_state_and_nothing_secret(client, state, is_finished):
    """State and progress are told; arguments, errors and tracebacks are not."""
    job = Job.objects.create(
        task="t",
        queue="mail",
        max_attempts=1,
        state=state,
        args=["secret"],
        traceback="secret",
        progress_done=3,
        progress_total=7,
    )

    answer = client.get(f"/api/subscriptions/{job.pk}/")

    assert answer.json() == {
        "job": str(job.pk),
        "state": state,
        "finished": is_finished,
        "progress": {"done": 3, "total": 7},
    }
    assert "no-store" in answer["Cache-Control"]


def test_an_unknown_job_is_told_as_json(client):
    """An id that nobody was given is 404."""
    answer = client.get(f"/api/subscriptions/{uuid4()}/")

    assert answer.status_code == 404
    assert answer.json() == {"errors": {"job": ["there is none with this id"]}}
