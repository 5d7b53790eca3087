"""Alice, who is on call, and the login of Django's admin as people all over the world see it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from offbeat.ops.logins import trace
from offbeat.ops.models import LoginAllowance

PASSWORD = "alice has the pager"


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """No test knows what the one before has logged."""
    monkeypatch.setattr(trace, "_busy_at", float("-inf"))


@pytest.fixture
def alice(db):
    return get_user_model().objects.create_superuser("alice", password=PASSWORD)


@pytest.fixture
def log_in(alice):
    """Type a name and a password at an address; give the answer, whose `client` is logged in or not."""

    def post(password=PASSWORD, name="alice", address="192.0.2.1", agent="Firefox"):
        client = Client(headers={"X-Forwarded-For": address, "User-Agent": agent})
        return client.post("/admin/login/", {"username": name, "password": password})

    return post


def wait(seconds):
    """Let time pass: what the buckets are full at comes nearer."""
    for row in LoginAllowance.objects.all():
        row.until -= timedelta(seconds=seconds)
        row.save()
