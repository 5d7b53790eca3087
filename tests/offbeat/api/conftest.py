"""A program that has a token, and talks to the API."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from offbeat.api import tokens
from offbeat.jobs.models import Job
from tests.offbeat.api import samples

ALL = ["enqueue:*", "jobs:read", "queues:read", "workers:read", "cronjobs:read"]
END = b"0\r\n\r\n"  # of a stream


class Program:
    """Sends JSON with a token."""

    def __init__(self, name="billing", scopes=ALL, token=None):
        self.token = token or tokens.issue(name, list(scopes))
        self.client = Client(headers={"Authorization": f"Bearer {self.token}"})

    def get(self, path, **headers):
        return self.client.get(path, headers=headers)

    def post(self, body, key=None, content_type="application/json"):
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.client.post(
            "/api/jobs", text, content_type=content_type, headers={"Idempotency-Key": key} if key else {}
        )

    def enqueue(self, task="charge", key=None, **body):
        return self.post({"task": f"{samples.__name__}.{task}", **body}, key)


@pytest.fixture
def program(db):
    return Program()


def finish():
    """Let every job have succeeded."""
    Job.objects.update(state="succeeded", result="done")


def problem_of(answer):
    """Give the status and the details of a problem, each of which has the same form."""
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert {"type", "title", "detail"} <= body.keys()
    return body["status"], body["detail"], [each["pointer"] for each in body.get("errors", [])]
