"""Maintenance mode: what visitors, programs, probes, schedulers and staff get while MAINTENANCE is true."""

from __future__ import annotations

import pytest
from django.db import DatabaseError
from django.urls import reverse

from offbeat.condition import Severity
from offbeat.jobs.models import Job
from offbeat.ops import conditions, health_ready
from offbeat.ops.snapshot import Snapshot
from tests.offbeat.faults.effects.tasks import nothing

SECRET = "a-secret-of-the-tests-that-is-long-enough"


@pytest.fixture(autouse=True)
def closed(settings):
    """Close the site for a test."""
    settings.MAINTENANCE = True
    settings.CRON_SECRET = SECRET


@pytest.mark.parametrize("path", ["/", "/faults/enqueue/a/", "/nothing-here/", "/a/b?c=d"])
@pytest.mark.parametrize("method", ["get", "post", "head"])
def test_visitors(client, path, method, django_assert_num_queries, db):
    """Whatever is asked for, a person gets a plain page that says when to come back, and no database is asked."""
    with django_assert_num_queries(0):
        response = getattr(client, method)(path, HTTP_ACCEPT="text/html,*/*;q=0.8")

    assert response.status_code == 503
    assert response["Retry-After"] == "300"
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"].startswith("text/html")
    assert "Content-Security-Policy" in response
    assert method == "head" or "Closed for maintenance" in response.content.decode()


@pytest.mark.parametrize("headers", [{"accept": "application/json"}, {"content-type": "application/json"}])
def test_programs(client, headers):
    """A program that sends or wants JSON gets JSON."""
    response = client.post(
        "/faults/enqueue/a/", headers=headers, content_type=headers.get("content-type", "a/b")
    )

    assert (response.status_code, response["Retry-After"]) == (503, "300")
    assert response.json() == {"status": "maintenance", "text": "closed for maintenance; try again later"}


def test_probes(client, monkeypatch):
    """The process is alive, and ready to say that it is closed, even without a database: the platform leaves it alone."""

    def gone():
        raise DatabaseError

    monkeypatch.setattr(health_ready, "migrated", gone)

    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "maintenance"})


def test_schedulers(client, db):
    """A wake-up by HTTP is answered as ever."""
    unknown = client.post("/cron/unheard-of", headers={"Authorization": f"Bearer {SECRET}"})

    assert unknown.status_code == 404
    assert client.post("/cron/prune-jobs").status_code == 401
    assert client.post("/cron/tick", headers={"Authorization": f"Bearer {SECRET}"}).status_code == 200


def test_staff(client, admin_client):
    """Who runs the site signs in, and sees the pages."""
    assert client.get(reverse("admin:login")).status_code == 200
    assert admin_client.get("/ops/").status_code == 200
    assert admin_client.get("/admin/").status_code == 200


def test_without_it(client, settings, db):
    """MAINTENANCE unset, nothing stands in the way."""
    settings.MAINTENANCE = False

    assert client.get("/nothing-here/").status_code == 404


def test_what_waits_is_no_alarm(db):
    """Jobs that wait are as they should be; the one thing to look at is that somebody may have forgotten to open again."""
    nothing.enqueue()
    Job.objects.update(
        due_at="2020-01-01T00:00Z", published_at="2020-01-01T00:00Z", created_at="2020-01-01T00:00Z"
    )

    found = conditions.find(Snapshot.take()).conditions

    assert [each.kind for each in found if each.kind is not conditions.NO_WORKER] == [conditions.MAINTENANCE]
    assert conditions.MAINTENANCE.severity == Severity.WARNING
