"""What visitors can cause at will is a warning of one line, without a token in it, and no event in Sentry."""

import json
import logging
import socket

import pytest
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.sessions.exceptions import SuspiciousSession
from django.core import exceptions
from django.http import HttpResponse, UnreadablePostError
from django.test import Client
from django.urls import path

from offbeat.ops import logs_sentry
from tests.offbeat.support.polling import wait_until

TOKEN = "MTIz:1abcde:kSuZ7gYcF4c1yTqHbJ0o9c8XwVt0kSuZ7gYcF4c"
REFUSED = {
    each.__name__: each("hello\nforged")
    for each in (
        *(exceptions.DisallowedHost, exceptions.DisallowedRedirect, exceptions.RequestDataTooBig),
        *(exceptions.TooManyFieldsSent, exceptions.TooManyFilesSent, exceptions.SuspiciousMultipartForm),
        *(exceptions.SuspiciousOperation, exceptions.BadRequest, exceptions.PermissionDenied),
        *(SuspiciousSession, DisallowedModelAdminLookup, UnreadablePostError),
    )
}
OURS = {
    "SuspiciousFileOperation": exceptions.SuspiciousFileOperation("../x"),
    "ValueError": ValueError("a bug"),
}


def fail(request, name, token=""):
    raise (REFUSED | OURS)[name]


def answer(request, token):
    return HttpResponse("well")


urlpatterns = [path("fail/<str:name>/", fail), path("confirm/<str:token>/", answer)]


@pytest.fixture
def visitor(settings):
    settings.ROOT_URLCONF = __name__
    settings.SECURE_SSL_REDIRECT = False
    return Client(raise_request_exception=False)


def test_a_scanner_is_one_warning(client, printed, settings):
    """A host name that is nobody's is told in one line, however long it is, and without a traceback."""
    settings.ALLOWED_HOSTS = ["www.example.com"]

    answered = client.get("/", headers={"host": "evil.example.net." + "x" * 100_000}, secure=True)

    (found,) = [each for each in printed if each["logger"].startswith("django")]
    assert answered.status_code == 400
    assert found["logger"] == "django.security.DisallowedHost"
    assert found["level"] == "warning"
    assert "exception" not in found
    assert "evil.example.net" in found["message"]
    assert len(json.dumps(found)) < 10_000


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_request_is_one_warning(name, visitor, printed):
    """A request that was refused for what it is, or that broke off, is nobody's error here."""
    visitor.get(f"/fail/{name}/")

    (found,) = printed
    assert found["level"] == "warning"
    assert "exception" not in found


@pytest.mark.parametrize("name", OURS)
def test_an_error_of_ours_stays_one(name, visitor, printed):
    """What only code of the project can cause has its traceback."""
    visitor.get(f"/fail/{name}/")

    (found,) = printed
    assert found["level"] == "error"
    assert "Traceback" in found["exception"]


def test_a_downgraded_line_obeys_the_level(client, printed, settings):
    """Who wants errors only gets no warnings of scanners."""
    logger = logging.getLogger("django.security.DisallowedHost")
    logger.setLevel(logging.ERROR)
    settings.ALLOWED_HOSTS = ["www.example.com"]

    client.get("/", headers={"host": "evil.example.net"}, secure=True)

    logger.setLevel(logging.NOTSET)
    assert [each for each in printed if each["logger"].startswith("django")] == []


@pytest.mark.parametrize(
    "token",
    [TOKEN, TOKEN.replace(":", "%3A"), "c8x1b2-0f1e2d3c4b5a69788796a5b4c3d2e1f0", "x" * 43],
    ids=["signed", "signed and quoted", "of a password", "random"],
)
def test_a_dead_links_token_is_not_logged(token, visitor, printed):
    """It may still be good for another address; the rest of the path is logged."""
    visitor.get(f"/no/such/link/{token}/at/all/")

    (found,) = printed
    assert found["message"].startswith("Not Found: /no/such/link/")
    assert found["message"].endswith("/at/all/")
    assert token[-20:] not in json.dumps(found)


def test_a_jobs_id_stays_in_a_path(visitor, printed):
    """A UUID opens nothing, and is what one searches for."""
    visitor.get("/ops/jobs/0193a1b2-7777-7777-7777-123456789abc/")

    assert "0193a1b2-7777-7777-7777-123456789abc" in printed[0]["message"]


def test_sentry_gets_no_token_of_a_path():
    """Neither in the address nor in the transaction's name nor in the query of a request that was made; a release stays."""
    found = logs_sentry.scrubbed(
        {
            "request": {"url": f"https://www.example.com/confirm/{TOKEN.replace(':', '%3A')}/"},
            "transaction": f"/confirm/{TOKEN}/",
            "breadcrumbs": {"values": [{"data": {"url": "https://x", "http.query": "token=hunter2"}}]},
            "release": "0123456789abcdef0123456789abcdef01234567",
        },
        {},
    )

    assert "kSuZ7g" not in json.dumps(found)
    assert "hunter2" not in json.dumps(found)
    assert found["transaction"] == "/confirm/***/"
    assert found["release"] == "0123456789abcdef0123456789abcdef01234567"


SCAN = """
import logging, sentry_sdk
from django.test import Client
from django.test.utils import override_settings
from tests.offbeat.ops.test_logs_requests import REFUSED
with override_settings(ALLOWED_HOSTS=["www.example.com"]):
    Client(raise_request_exception=False).get("/", headers={"host": "evil.example.net"}, secure=True)
with override_settings(ROOT_URLCONF="tests.offbeat.ops.test_logs_requests", ALLOWED_HOSTS=["testserver"]):
    for name in [*REFUSED, "ValueError"]:
        Client(raise_request_exception=False).get(f"/fail/{name}/", secure=True)
sentry_sdk.flush()
"""


def test_sentry_gets_no_event_of_a_scanner(stack, sentry):
    """Of a dozen refused requests and one bug, the bug is what reaches Sentry."""
    done = stack.manage(
        "shell", "-c", SCAN, SENTRY_DSN=sentry.dsn, DJANGO_SETTINGS_MODULE="tests.offbeat.settings"
    )

    assert done.returncode == 0, done.stderr
    events = [
        each for each in wait_until(lambda: sentry.events) if "level" in each
    ]  # not an envelope's header
    assert [each["exception"]["values"][-1]["type"] for each in events] == ["ValueError"]


def test_gunicorn_logs_as_everybody_does(stack):
    """Its own lines are JSON, and what it says of a request has no token and no raw control character."""
    web = stack.web("--access-logfile", "-", DJANGO_SETTINGS_MODULE="tests.offbeat.settings")
    host, port = web.browser.address.removeprefix("http://").split(":")

    with socket.create_connection((host, int(port))) as client:
        client.sendall(f"GET /confirm/{TOKEN.replace(':', '%3A')}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        client.recv(100)
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /\x1b[2J HTTP/9.9\r\nHost: x\r\n\r\n")
        client.recv(100)

    lines = wait_until(lambda: [each for each in web.output.splitlines() if "/confirm/" in each])
    assert "kSuZ7g" not in web.output
    assert json.loads(lines[0])["logger"] in {
        "gunicorn.access",
        "django.request",
        "django.security.DisallowedHost",
    }
    assert [json.loads(each) for each in web.output.splitlines() if "Listening at" in each]
    assert "\x1b" not in web.output
