"""What the template decides before a team does: its users, its entry points, its name."""

import asyncio
import json

import pytest
from asgiref.testing import ApplicationCommunicator
from celery import current_app
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail
from django.db import connection
from django.urls import reverse

from offbeat.deployment import spec
from offbeat.variables.mail_addresses import recipients


@pytest.mark.django_db
def test_users_are_the_projects_own(client):
    """The user model is the project's from the first migration on, and the admin knows it."""
    user = get_user_model()
    client.force_login(user.objects.create_superuser("alice"))

    page = client.get(reverse("admin:accounts_user_changelist"))

    assert user.__module__ == "accounts.models"
    assert "auth_user" not in connection.introspection.table_names()
    assert "alice" in page.content.decode()


def test_the_asgi_entry_point_answers():
    """A server that speaks ASGI finds the same site as gunicorn does."""
    from config.asgi import application  # noqa: PLC0415  only here: no process of ours loads it

    async def healthz():
        request = {"type": "http", "method": "GET", "path": "/healthz", "headers": [], "query_string": b""}
        browser = ApplicationCommunicator(application, request)
        await browser.send_input({"type": "http.request", "body": b""})
        answer = [await browser.receive_output(5), await browser.receive_output(5)]
        await browser.wait(5)
        return answer

    start, body = asyncio.run(healthz())

    assert start["status"] == 200
    assert json.loads(body["body"]) == {"status": "ok"}


def test_the_name_is_said_once(settings):
    """Sender and subjects of mails, and the Celery application, are called after platform.yaml."""
    name = spec.read().name
    assert current_app.main == name
    settings.ADMINS = recipients("ops@example.com")

    mail.mail_admins("late", "It is late.")

    assert mail.outbox[0].subject == f"[{name.title()}] late"
    assert mail.outbox[0].from_email == f"{name.title()} <{name}@localhost>"


def test_the_settings_are_thin():
    """A team reads its settings in a minute."""
    path = spec.PLATFORM_FILE.parent / "src" / "config" / "settings.py"

    assert len(path.read_text().splitlines()) <= 60
    assert settings.USE_I18N
