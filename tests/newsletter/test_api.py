from uuid import uuid4

import pytest
from django.test import Client

from newsletter.models import Subscriber
from offbeat.jobs.models import Job

pytestmark = pytest.mark.django_db


@pytest.fixture
def client():
    """A program: it brings no cookie and no CSRF token."""
    return Client(enforce_csrf_checks=True, headers={"x-forwarded-proto": "https"})


def post(client, body, content_type="application/json"):
    return client.post("/api/subscribers/", body, content_type=content_type)


def test_subscribing_is_accepted_with_a_job_to_ask_for(client):
    """The answer is 202 with the job's id and the address of its state."""
    answer = post(client, {"email": "dora@example.com"})

    job = Job.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"job": str(job.pk), "url": f"/api/jobs/{job.pk}/"}
    assert answer["Location"] == f"/api/jobs/{job.pk}/"
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

    answer = client.get(f"/api/jobs/{job.pk}/")

    assert answer.json() == {
        "job": str(job.pk),
        "state": state,
        "finished": is_finished,
        "progress": {"done": 3, "total": 7},
    }
    assert "no-store" in answer["Cache-Control"]


def test_an_unknown_job_is_told_as_json(client):
    """An id that nobody was given is 404."""
    answer = client.get(f"/api/jobs/{uuid4()}/")

    assert answer.status_code == 404
    assert answer.json() == {"errors": {"job": ["there is none with this id"]}}
