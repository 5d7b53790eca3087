"""Bodies without end, sent to the real server: refused at once, seen by the client, and read by nobody."""

from __future__ import annotations

import pytest
from django.conf import settings

from tests.offbeat.support.polling import wait_until
from tests.offbeat.support.raw_client import RawClient, request, status_of

pytestmark = pytest.mark.faults

LIMIT = settings.WEB_MAX_BODY
MIB = b"x" * 1024 * 1024
CHUNK = b"%x\r\n%s\r\n" % (len(MIB), MIB)
MULTIPART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
FORM = "Content-Type: multipart/form-data; boundary=b"
HEADS = {
    "announced": (request("POST", "/", "Content-Length: 314572800", FORM, body=MULTIPART), MIB),
    "in chunks": (request("POST", "/", "Transfer-Encoding: chunked", FORM), CHUNK),
    "in tiny chunks": (request("POST", "/", "Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 100_000),
    "a cron": (request("POST", "/cron/tick", "Content-Length: 314572800"), MIB),
    "in chunks to a path that takes files": (
        request("POST", "/uploads/", "Transfer-Encoding: chunked", FORM),
        CHUNK,
    ),
    "asked before": (request("POST", "/", "Content-Length: 314572800", "Expect: 100-continue"), MIB),
}


def test_a_body_without_end(stack, tmp_path):
    """The client sees 413 and the end of the connection while it still sends; nothing is kept, and the process stays small."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    web = stack.web(TMPDIR=str(scratch))
    web.browser.get("/echo/")
    before = memory(web)

    for head, piece in HEADS.values():
        client = RawClient(web.browser.address)
        client.send(head)
        sent = 0
        while sent < 300 and client.send(piece):
            sent += 1
        assert status_of(client.answer()) == 413
        assert sent < 300
        client.close()

    assert not any(scratch.iterdir())
    assert memory(web) < before + 50 * len(MIB)
    assert web.browser.get("/healthz").status == 200


def memory(web):
    return sum(each.memory_info().rss for each in web.children())


def test_a_client_that_only_announces(stack):
    """The answer comes before the body, and says that the connection ends with it."""
    web = stack.web()

    with RawClient(web.browser.address) as client:
        client.send(request("POST", "/", f"Content-Length: {LIMIT + 1}"))
        answer = client.answer()

    assert status_of(answer) == 413
    assert "Connection: close" in answer
    assert answer.endswith(f"The body is too large: at most {LIMIT} bytes are accepted here.\n")


def test_an_upload_that_stops(stack):
    """Where files are taken, a thread reads them; one that does not come ends with its deadline, and without a traceback."""
    web = stack.web(WEB_REQUEST_SECONDS="1")
    length = f"Content-Length: {3 * LIMIT}"
    clients = [RawClient(web.browser.address) for _ in range(6)]
    for each in clients:
        each.send(request("POST", "/uploads/", FORM, length, body=MULTIPART))

    assert web.browser.get("/healthz").status == 200
    wait_until(lambda: all(each.is_closed() for each in clients))
    for each in clients:
        each.close()

    statuses = {status_of(each.received.decode()) for each in clients}
    assert statuses <= {0, 400, 503}
    assert 503 in statuses
    assert "Traceback" not in web.output


def test_an_upload_that_comes(stack):
    """A large file is taken where its path says so."""
    web = stack.web()
    size = 2 * LIMIT
    body = MULTIPART + b"x" * size + b"\r\n--b--\r\n"
    head = request("POST", "/uploads/", FORM, f"Content-Length: {len(body)}", "Connection: close")

    with RawClient(web.browser.address) as client:
        client.send(head + body)
        answer = client.answer()

    assert f'{{"f": {size}}}' in answer


def test_chunks_that_are_none(stack):
    """Whoever sends them is at fault: 400, and no error in the log."""
    web = stack.web()

    for body in (b"1\r\naXX0\r\n\r\n", b"0x5\r\nab", b"3\r\nabcd\r\n0\r\n\r\n", b";\r\n", b"0\r\n:x\r\n\r\n"):
        with RawClient(web.browser.address) as client:
            client.send(request("POST", "/", "Transfer-Encoding: chunked", body=body))
            assert status_of(client.answer()) == 400

    assert '"error"' not in web.output


def test_a_client_that_asks_before(stack):
    """It is told to go on as soon as its head is there, once, and nothing but the refusal where there is one."""
    web = stack.web()
    expect = "Expect: 100-continue"

    with RawClient(web.browser.address) as client:
        client.send(request("POST", "/admin/login/", "Content-Length: 3", "Connection: close", expect))
        assert client.socket.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"a=b")
        assert client.answer().startswith("HTTP/1.1 403")

    with RawClient(web.browser.address) as client:
        client.send(request("POST", "/admin/login/", f"Content-Length: {2 * LIMIT}", expect))
        assert client.answer().startswith("HTTP/1.1 413")


def test_a_body_longer_than_any(stack):
    """Gunicorn would drain what is left of it; no thread waits for that."""
    web = stack.web(WEB_REQUEST_SECONDS="60")

    with RawClient(web.browser.address) as client:
        client.send(request("POST", "/", f"Content-Length: {'9' * 30}"))
        assert "Connection: close" in client.answer()
