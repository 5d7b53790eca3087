"""Alice in front of the ops pages, as a browser without JavaScript gets them."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from offbeat.cronjobs.models import CronJob
from offbeat.cronjobs.registration import register
from offbeat.jobs.models import Worker
from offbeat.ops.pages import flow
from tests.offbeat.browser import stage
from tests.offbeat.support.operators import make_operator


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """No test knows what the one before has counted."""
    monkeypatch.setattr(flow, "memory", flow.Memory())


@pytest.fixture
def alice():
    return make_operator("alice")


@pytest.fixture
def client(alice):
    """Alice, who is on call; her forms need a CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


@pytest.fixture
def cronjobs():
    """The cronjobs of the scene, known since now and on time."""
    now = timezone.now()
    for entry in stage.cronjobs().values():
        register(entry, now)
    CronJob.objects.update(last_fire_at=now)


@pytest.fixture
def worker():
    return Worker.objects.create(
        hostname="web-7", pid=11, queues=["default", "mail"], concurrency=4, busy=1, version="v9"
    )


@pytest.fixture
def digest():
    """The weekly digest, known for five weeks and fired by nobody."""
    since = timezone.now() - timedelta(days=35)
    return register(stage.cronjobs()["weekly-digest"], since)
