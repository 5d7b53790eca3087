"""`POST /api/jobs`: jobs of tasks that opt in, checked by their type hints, once for each Idempotency-Key."""

from __future__ import annotations

import json
import logging

import pytest
import structlog
from django.core import management
from django.db import OperationalError
from django.test import Client

from offbeat.api import enqueued, gateway
from offbeat.jobs.models import Job
from offbeat.jobs.producer import KeyBusyError
from offbeat.ops.logs import Formatter
from tests.offbeat.api.conftest import Program, problem_of

pytestmark = pytest.mark.django_db

SAMPLES = "tests.offbeat.api.samples"
FOREVER = "2099-01-01T00:00:00Z"


def test_a_job_is_enqueued(program):
    """The answer says where to ask; the row says who enqueued it."""
    answer = program.enqueue(args=[7], kwargs={"currency": "USD"}, priority=5, run_at=FOREVER)

    body, job = answer.json(), Job.objects.get()
    assert answer.status_code == 202
    assert answer["Location"] == body["status_url"] == f"/api/jobs/{job.id}"
    assert body == {
        "id": str(job.id), "task": f"{SAMPLES}.charge", "queue": "celery", "state": "pending",
        "created_at": body["created_at"], "status_url": f"/api/jobs/{job.id}", "events_url": f"/api/jobs/{job.id}/events",
    } | {"queue": job.queue}  # fmt: skip
    assert (job.args, job.kwargs, job.priority, f"{job.due_at:%Y}") == ([7], {"currency": "USD"}, 5, "2099")
    assert job.context["api_client"] == "billing"


def test_any_zone_is_taken(program):
    """PostgreSQL knows none that is 16 hours away."""
    assert program.enqueue(args=[7], run_at="2099-01-01T00:00:00+17:42").status_code == 202
    assert f"{Job.objects.get().due_at:%Y-%m-%d %H:%M}" == "2098-12-31 06:18"


def test_the_jobs_page_says_who(program, admin_client):
    """People find out which program it was."""
    job_id = program.enqueue(args=[7]).json()["id"]

    assert "API token billing" in admin_client.get(f"/ops/jobs/{job_id}/").text


def test_logs_say_who(program):
    """The name of a token is no secret, and nothing hides it."""
    program.enqueue(args=[7])

    with structlog.contextvars.bound_contextvars(**Job.objects.get().context):
        line = Formatter(as_json=True).format(
            logging.LogRecord("shop", logging.INFO, "", 0, "charged", (), None)
        )

    assert json.loads(line)["api_client"] == "billing"


def test_a_key_is_enqueued_once(program):
    """Again it gives the job that exists, also when a retry has changed its arguments; another name has its own."""
    first = program.enqueue(args=[7], key="order-7")
    Job.objects.update(args=[8])

    assert program.enqueue(args=[7], key="order-7").json()["id"] == first.json()["id"]
    assert Program("shipping").enqueue(args=[7], key="order-7").json()["id"] != first.json()["id"]
    assert Program().enqueue(args=[7], key="order-7").json()["id"] == first.json()["id"]  # its next token


@pytest.mark.parametrize("other", [{"args": [8]}, {"kwargs": {"order": 7}}, {"task": "count", "args": [7]}])
def test_a_key_of_another_request_is_refused(program, other):
    """The client has a bug, which would else lose a job."""
    program.enqueue(args=[7], key="order-7")

    status, detail, _ = problem_of(program.enqueue(**other, key="order-7"))

    assert status == 422
    assert "the Idempotency-Key has the job" in detail
    assert Job.objects.count() == 1


ADDRESS = {"street": "Main", "number": 1}
SHIP = {"orders": [1], "to": ADDRESS, "at": "2026-11-26T12:00:00Z", "weight": "any"}


@pytest.mark.parametrize(
    ("task", "body", "pointers"),
    [
        ("charge", {"args": ["7"]}, ["#/args/0"]),
        ("charge", {"args": [True]}, ["#/args/0"]),
        ("charge", {"args": [7.5]}, ["#/args/0"]),
        ("charge", {"kwargs": {"order": 7, "currency": "GBP"}}, ["#/kwargs/currency"]),
        ("charge", {"kwargs": {"order": 7, "note": 1}}, ["#/kwargs/note"]),
        ("charge", {"kwargs": {}}, ["#/kwargs"]),
        ("charge", {"args": [1, "EUR", "three"]}, ["#/args"]),
        ("charge", {"kwargs": {"order": 7, "a/b~c": 1}}, ["#/kwargs"]),
        ("count", {"args": [1, 2, "three"]}, ["#/args/2"]),
        ("ship", {"kwargs": SHIP | {"orders": [1, "2"]}}, ["#/kwargs/orders/1"]),
        ("ship", {"kwargs": SHIP | {"to": {"street": "Main"}}}, ["#/kwargs/to/number"]),
        ("ship", {"kwargs": SHIP | {"at": "tomorrow"}}, ["#/kwargs/at"]),
        ("ship", {"kwargs": SHIP | {"a/b~c": "1"}}, ["#/kwargs/a~1b~0c"]),
        ("charge", {"kwargs": {"order": 7, "note": "\0"}}, ["#/kwargs"]),
        ("charge", {"kwargs": {"order": 7, "note": "\ud800"}}, ["#/kwargs"]),
        ("secret", {"args": [7]}, ["#/task"]),
        ("no_such", {}, ["#/task"]),
        ("charge", {"args": [7], "priority": 101}, ["#/priority"]),
        ("charge", {"args": [7], "run_at": "2026-11-26T12:00:00"}, ["#/run_at"]),
        ("charge", {"args": [7], "run_at": "1764158400"}, ["#/run_at"]),
        ("charge", {"args": [7], "run_at": "9999-12-31T23:59:59Z"}, ["#"]),
        ("charge", {"args": [7], "queue": "no-such"}, ["#"]),
        ("charge", {"args": [7], "queue": "no\0such"}, ["#"]),
        ("charge", {"args": [7], "quue": "mail"}, ["#/quue"]),
        ("charge", {"args": 7}, ["#/args"]),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(program, task, body, pointers):
    """Nothing is in the ledger, and the answer says where it was."""
    answer = program.enqueue(task, **body)

    assert (problem_of(answer)[0], problem_of(answer)[2]) == (422, pointers)
    assert not Job.objects.exists()


def test_hints_say_what_json_looks_like(program):
    """What fits is stored as it came; a hint that is no shape of JSON, or cannot be found, takes anything."""
    answer = program.enqueue("ship", kwargs=SHIP | {"hint": {"any": 1}, "more": 1})

    assert answer.status_code == 202, answer.content
    assert Job.objects.get().kwargs == SHIP | {"hint": {"any": 1}, "more": 1}


@pytest.mark.parametrize(
    "text",
    [
        "{", "[]", "7", "[" * 100_000, b"\xff", f"[1{'0' * 5000}]", '{"task": 7}', '{"args": []}',
        f'{{"task": "{SAMPLES}.charge", "kwargs": {{"order": 1, "order": 2}}}}',
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_refused(program, text):
    assert problem_of(program.post(text))[0] == 422


def test_a_setting_opens_tasks(program, settings):
    """For those of libraries."""
    assert problem_of(program.enqueue("listed"))[0] == 422

    settings.OFFBEAT_API_TASKS = [f"{SAMPLES}.listed"]

    assert program.enqueue("listed").status_code == 202
    management.call_command("check")
    settings.OFFBEAT_API_TASKS = [f"{SAMPLES}.lsted"]
    with pytest.raises(management.CommandError, match=r"Did you mean tests.offbeat.api.samples.listed\?"):
        management.call_command("check")


def test_a_token_may_enqueue_its_tasks_only(db):
    """What else there is, it is not told."""
    program = Program(scopes=[f"enqueue:{SAMPLES}.charge"])

    assert program.enqueue(args=[7]).status_code == 202
    assert {problem_of(program.enqueue(name))[0] for name in ("count", "secret", "no_such")} == {403}


def test_only_json_is_taken(program):
    """No form can send it, and no other type is guessed."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert problem_of(program.post("{}", content_type=kind))[0] == 415
    answer = program.client.post(
        "/api/jobs", b"\x1f\x8b", content_type="application/json", headers={"Content-Encoding": "gzip"}
    )
    assert "without Content-Encoding" in problem_of(answer)[1]


def test_a_large_body_is_refused(program, settings):
    settings.WEB_MAX_BODY = 1000

    assert problem_of(program.enqueue(args=["x" * 1000]))[0] == 413


def test_another_method_is_refused(program):
    answer = program.client.delete("/api/jobs")

    assert problem_of(answer)[0] == 405
    assert answer["Allow"] == "POST"
    answer = program.client.post("/api/queues", content_type="text/plain")
    assert (problem_of(answer)[0], answer["Allow"]) == (405, "GET")


def test_what_django_answers_is_a_problem_too(program, settings, monkeypatch):
    """A wrong host, and an error of ours; elsewhere they stay pages."""
    settings.ALLOWED_HOSTS = ["localhost"]
    program.client.raise_request_exception = False
    assert problem_of(program.client.get("/api/jobs", HTTP_HOST="evil example"))[0] == 400
    assert program.client.get("/ops/", HTTP_HOST="evil example")["Content-Type"].startswith("text/html")

    monkeypatch.setattr("offbeat.api.operations.run", lambda *_: 1 / 0)
    assert problem_of(program.client.get("/api/queues", HTTP_HOST="localhost"))[0] == 500


def test_a_key_in_utf_8(program):
    """As a program sends it; each character counts once."""
    key = "ключ" * 40
    sent = key.encode().decode("latin-1")

    assert program.enqueue(args=[7], key=sent).status_code == 202
    assert Job.objects.get().key == f"api:billing:{key}"


@pytest.mark.parametrize(
    "path", ["jobs/no-uuid", "jobs/", "queues/", "jobs/api/queues", "jobs/x/api/workers", "openapi.json/"]
)
def test_nothing_is_at_another_address(program, path):
    """Not even what is at the end of it, and the answer is the API's."""
    assert problem_of(program.get(f"/api/{path}"))[0] == 404


def test_a_busy_key_is_a_conflict(program, monkeypatch):
    """Another transaction has it, and has not ended."""

    def busy(*_):
        raise KeyBusyError("waited 5 s")

    monkeypatch.setattr(enqueued.producer, "write", busy)

    answer = program.enqueue(args=[7], key="order-7")

    assert problem_of(answer)[:2] == (409, "waited 5 s")
    assert answer["Retry-After"] == "5"


def test_without_postgresql_the_client_is_told_to_come_again(monkeypatch):
    def away(*_):
        raise OperationalError("connection refused")

    monkeypatch.setattr(gateway.tokens, "take", away)

    answer = Client(headers={"Authorization": "Bearer obt_any"}).get("/api/queues")

    assert problem_of(answer)[:2] == (503, "PostgreSQL is down or not migrated; try again later")
    assert answer["Retry-After"] == "5"


def test_in_maintenance_the_client_is_told_to_come_again(settings):
    """In the API's own form, and without a question to the database."""
    settings.MAINTENANCE = True

    answer = Client(headers={"Authorization": "Bearer obt_any"}).get("/api/queues")

    assert problem_of(answer)[0] == 503
    assert answer["Retry-After"] == "300"
