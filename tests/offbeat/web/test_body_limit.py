"""A body that is too large is refused before anything reads it, and files are taken where the settings say so."""

from __future__ import annotations

import asyncio
import io

import pytest
from asgiref.testing import ApplicationCommunicator
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.request import UnreadablePostError
from django.test import Client, RequestFactory

from offbeat.web.asgi import get_asgi_application
from offbeat.web.body_limit import BodyLimitMiddleware, find_limit

LIMIT = django_settings.WEB_MAX_BODY
TAKEN = django_settings.OFFBEAT_UPLOADS["/uploads/"]
ADDRESSES = [
    "/",
    "/echo/",
    "/admin/login/",
    "/cron/tick",
    "/healthz",
    "/metrics",
    "/static/nothing.css",
    "/no/such/",
]


@pytest.fixture
def no_files(monkeypatch):
    """Let every temporary file of an upload fail the test."""

    def fail(*arguments, **options):
        pytest.fail("a file was opened")

    monkeypatch.setattr("django.core.files.uploadhandler.TemporaryUploadedFile", fail)
    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)


class Unread(io.BytesIO):
    """A body that nobody may touch."""

    def read(self, *size):
        pytest.fail("the body was read")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_body_over_the_limit(address):
    """It is refused by its announced size, before CSRF's middleware reads it."""
    answer = Client(enforce_csrf_checks=True).generic(
        "POST", address, CONTENT_LENGTH=str(LIMIT + 1), **{"wsgi.input": Unread()}
    )

    assert answer.status_code == 413
    assert answer.content.decode() == f"The body is too large: at most {LIMIT} bytes are accepted here.\n"


def test_a_body_at_the_limit(client):
    """The last byte that is allowed is taken."""
    answer = client.post("/echo/", b"x" * LIMIT, content_type="text/plain")

    assert answer.json()["size"] == LIMIT


@pytest.mark.parametrize("length", ["-1", "+5", "1_0", "\u0661", "9" * 5000, "5, 5", "x"])
def test_a_length_that_is_no_number(length):
    """A server in front may let such things through; none is an error of ours."""
    assert Client().generic("POST", "/echo/", CONTENT_LENGTH=length).status_code == 400


def chunked(body, path="/echo/"):
    answer = Client().generic(
        "POST", path, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="", **{"wsgi.input": io.BytesIO(body)}
    )
    return answer.status_code, answer.content


def test_chunks_over_the_limit():
    """Without a Content-Length, what comes is counted."""
    assert chunked(b"x" * (LIMIT + 1))[0] == 413


def test_chunks_within_the_limit():
    """A view sees a body that came in chunks as any other."""
    status, content = chunked(b"x" * 1000)

    assert status == 200
    assert b'"size": 1000' in content


def test_files_where_none_are_taken(no_files, caplog):
    """A file for a path that takes none is answered with 400 before a byte of it is kept, by CSRF's reading or a view's."""
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    form = {"file": SimpleUploadedFile("a.bin", b"x" * 1000)}

    assert client.post("/admin/login/", form).status_code == 400
    assert "/admin/login/ accepts no files: OFFBEAT_UPLOADS lists the paths that do" in caplog.messages
    assert Client().post("/cron/tick", form).status_code == 404


def test_a_form_with_an_empty_field_for_a_file(db):
    """A browser sends it for a field that nobody filled in: no file, no error."""
    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename=""\r\n\r\n\r\n--b--\r\n'

    answer = Client().generic("POST", "/admin/login/", body, "multipart/form-data; boundary=b")

    assert answer.status_code == 200


def test_files_where_they_are_taken(client):
    """A path of OFFBEAT_UPLOADS takes files, up to its own limit."""
    size = 3 * 1024 * 1024

    taken = client.post("/uploads/", {"file": SimpleUploadedFile("a.bin", b"x" * size)})
    too_large = client.post("/uploads/", {"file": SimpleUploadedFile("a.bin", b"x" * TAKEN)})

    assert taken.json() == {"file": size}
    assert too_large.status_code == 413


def test_the_longest_beginning_counts(settings):
    """Of several beginnings that fit a path, the most particular one says what it takes; none takes less than all others."""
    settings.OFFBEAT_UPLOADS = {"/photos/": 5 * LIMIT, "/photos/large/": 9 * LIMIT, "/icons/": 10}

    found = [find_limit(path) for path in ("/photos/a", "/photos/large/a", "/photo", "/icons/")]

    assert found == [5 * LIMIT, 9 * LIMIT, LIMIT, LIMIT]


def test_a_client_that_goes_while_a_view_reads():
    """It is no error of ours, and none is logged."""
    middleware = BodyLimitMiddleware(lambda _: None)

    answer = middleware.process_exception(RequestFactory().post("/uploads/"), UnreadablePostError("gone"))

    assert answer.status_code == 400
    assert middleware.process_exception(RequestFactory().post("/"), ValueError()) is None


# ASGI


def ask(messages, *headers, path="/echo/"):
    """Send a request to the ASGI application; return its status and how many messages it took."""

    async def communicate():
        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": [(b"host", b"localhost"), *headers],
        }  # fmt: skip
        taken = 0

        async def receive():
            nonlocal taken
            taken += 1
            await asyncio.sleep(0)
            return next(source)

        source = iter([*messages, {"type": "http.disconnect"}])
        sent = []

        async def send(message):
            sent.append(message)

        await get_asgi_application()(scope, receive, send)
        return sent[0]["status"], taken

    return asyncio.run(communicate())


def body(size, *, more=True):
    return {"type": "http.request", "body": b"x" * size, "more_body": more}


def test_asgi_refuses_by_the_announced_size(no_files):
    """Nothing of the body is taken from the server."""
    assert ask([body(10)], (b"content-length", str(LIMIT + 1).encode())) == (413, 0)


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"5")]], ids=["chunks", "a lie"])
def test_asgi_counts_what_comes(headers, no_files):
    """Whatever was announced, the limit ends the reading."""
    part = body(LIMIT // 2)

    assert ask([part, part, part, part, part], *headers) == (413, 3)


def test_asgi_takes_what_is_allowed():
    """A body within the limit reaches the view."""

    async def communicate():
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/echo/",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        communicator = ApplicationCommunicator(get_asgi_application(), scope)
        await communicator.send_input(body(1000, more=False))
        return [await communicator.receive_output(10) for _ in range(2)]

    start, content = asyncio.run(communicate())

    assert start["status"] == 200
    assert b'"size": 1000' in content["body"]
