"""What is read: jobs of one's own, queues, workers, cronjobs, and the description of all of it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.utils import timezone
from jsonschema_rs import Draft202012Validator

from offbeat.api import openapi
from offbeat.cronjobs.models import CronJob
from offbeat.jobs.models import Job, Pause, Worker
from offbeat.jobs.testing import run_jobs
from tests.offbeat.api.conftest import Program, problem_of
from tests.offbeat.api.document import DOCUMENT
from tests.offbeat.api.test_enqueue import SAMPLES, SHIP

pytestmark = pytest.mark.django_db


def test_a_job_is_followed_to_its_end(program):
    """Its state, its progress, its result; while it is not finished, when to ask again."""
    url = program.enqueue("count", args=[1, 2.5]).json()["status_url"]
    before = program.get(url)
    run_jobs()
    after = program.get(url)

    assert before.json()["state"] in {"pending", "published"}
    assert (before["Retry-After"], before.json()["result"], before.json()["progress"]) == ("1", None, None)
    body = after.json()
    assert (body["state"], body["attempt"], body["result"], body["error"]) == ("succeeded", 1, 3.5, None)
    assert body["progress"] == {"done": 2, "total": 2}
    assert body["started_at"] < body["finished_at"]
    assert "Retry-After" not in after


def test_a_dead_job_says_why(program):
    url = program.enqueue("count", args=[]).json()["status_url"]
    Job.objects.update(state="dead", reason="ValueError: no", finished_at=timezone.now())

    assert program.get(url).json()["error"] == "ValueError: no"


def test_a_late_job_is_asked_for_later(program):
    """Once a minute is enough."""
    answer = program.enqueue(args=[7], run_at=(timezone.now() + timedelta(hours=1)).isoformat())

    assert program.get(answer["Location"])["Retry-After"] == "60"


def test_others_jobs_are_not_there(program):
    """By default a token sees those that its name has enqueued; the answer does not tell whether there is another."""
    url = program.enqueue(args=[7])["Location"]
    other = Program("shipping")

    missing = url.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"
    assert [problem_of(other.get(each))[0] for each in (url, f"{url}/events", missing)] == [404] * 3
    assert Program("support", ["jobs:read:*"]).get(url).status_code == 200
    assert problem_of(Program("nobody", ["enqueue:*"]).get(url))[0] == 403
    assert Program().get(url).status_code == 200  # another token of the same name


def test_queues(program):
    """How deep they are, who consumes them, and what is paused."""
    Worker.objects.create(hostname="one", pid=1, queues=["mail"], concurrency=2)
    Pause.objects.create(kind="queue", name="mail", reason="no", paused_by="alice")
    program.enqueue(args=[7])
    Job.objects.update(queue="mail")

    found = {each["name"]: each for each in program.get("/api/queues").json()}

    assert found["mail"].pop("oldest_age_seconds") >= 0
    assert found["mail"] == {
        "name": "mail",
        "waiting": 1,
        "later": 0,
        "running": 0,
        "dead": 0,
        "consumers": 1,
        "is_paused": True,
    }


def test_workers(program):
    """Those that are silent, too, until their row is gone."""
    Worker.objects.create(hostname="one", pid=1, queues=["mail"], concurrency=2, busy=1, version="v1")
    silent = timezone.now() - timedelta(minutes=5)
    Worker.objects.create(hostname="two", pid=2, queues=[], concurrency=2, heartbeat_at=silent)

    one, two = program.get("/api/workers").json()

    assert (one["name"], one["queues"], one["concurrency"], one["busy"]) == ("one (1)", ["mail"], 2, 1)
    assert (one["version"], one["is_alive"], two["is_alive"]) == ("v1", True, False)


def test_cronjobs(program):
    """When they run, and when they last did."""
    moment = timezone.now()
    CronJob.objects.create(
        name="own",
        command="enqueue_own",
        schedule="0 9 * * *",
        cron="0 9 * * *",
        timezone="UTC",
        is_in_file=False,
        cursor=moment,
        last_success_at=moment,
        paused_at=moment,
    )

    found = {each["name"]: each for each in program.get("/api/cronjobs").json()}["own"]

    assert (found["schedule"], found["timezone"], found["is_paused"]) == ("0 9 * * *", "UTC", True)
    assert found["next_slot"] > found["last_success_at"]


def test_the_document_is_committed():
    """What clients are made from is what is served; `python -m tests.offbeat.api.document` writes it."""
    assert DOCUMENT.read_text() == openapi.as_text()


def test_a_sites_document_has_its_tasks():
    """With the arguments as JSON Schema, for the tasks that the token may enqueue; references lead somewhere."""
    program = Program(scopes=[f"enqueue:{SAMPLES}.ship", f"enqueue:{SAMPLES}.charge"])
    document = program.get("/api/openapi.json").json()

    schemas = document["components"]["schemas"]
    charge = schemas[f"{SAMPLES}.charge"]
    assert charge["description"] == "Charge a customer."
    assert charge["properties"]["kwargs"] == {
        "type": "object",
        "properties": {
            "order": {"type": "integer"},
            "currency": {"enum": ["EUR", "USD"], "type": "string"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["order"],
        "additionalProperties": False,
    }
    assert f"{SAMPLES}.count" not in schemas
    check = Draft202012Validator(document | {"$ref": f"#/components/schemas/{SAMPLES}.ship"})
    good = {"task": f"{SAMPLES}.ship", "kwargs": SHIP}
    assert check.is_valid(good)
    assert not check.is_valid(json.loads(json.dumps(good).replace('"Main"', "1")))
