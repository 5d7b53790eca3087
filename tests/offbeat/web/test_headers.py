"""Every answer has its headers, whoever gives it."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import settings as django_settings
from django.http import HttpResponse
from django.test import AsyncClient, Client

from offbeat.web.headers import HeadersMiddleware, write_policy
from tests.offbeat.support.raw_client import RawClient, request

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STYLE = "/static/offbeat/ops/ops.css"


@pytest.mark.parametrize(
    ("path", "status", "options"),
    [
        ("/healthz", 200, {}),
        ("/metrics", 404, {}),
        ("/admin/login/", 200, {}),
        ("/no/such/", 404, {}),
        ("/ops/", 302, {}),
        ("/echo/", 400, {"HTTP_HOST": "evil.example"}),
        ("/echo/", 400, {"CONTENT_LENGTH": "x"}),
        ("/echo/", 413, {"CONTENT_LENGTH": "99999999"}),
        ("/broken/", 500, {}),
    ],
)
def test_headers_of_an_answer(path, status, options, db):
    """Pages, health paths and every error have them."""
    client = Client(raise_request_exception=False)

    answer = client.generic("GET", path, secure=True, **options)

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=2592000"


def test_headers_of_static_files(db, client):
    """They have them too, and may be shown by other sites: mails refer to them."""
    answer = client.get(STYLE)
    answer.close()

    assert answer.status_code == 200
    expected = HEADERS | {"Cross-Origin-Resource-Policy": "cross-origin"}
    assert {name: answer.headers.get(name) for name in HEADERS} == expected
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_the_list_of_static_files_is_nobodys(client):
    """The manifest is in the folder of static files, and is not served."""
    assert (django_settings.STATIC_ROOT / "staticfiles.json").exists()
    assert client.get("/static/staticfiles.json").status_code == 404


@pytest.mark.faults
def test_the_list_of_static_files_on_the_real_server(stack):
    """Nor in any other spelling."""
    web = stack.web()

    for path in (
        "/static/staticfiles.json",
        "/static/%73taticfiles.json",
        "//static/staticfiles.json",
        "/static/./staticfiles.json",
    ):
        with RawClient(web.browser.address) as client:
            client.send(request("GET", path, "Connection: close"))
            assert '"paths"' not in client.answer()


def test_a_view_that_says_otherwise(rf):
    """What a view sets stays, and a page that may be framed says nothing about frames."""
    answer = HttpResponse(headers={"Permissions-Policy": "camera=(self)", "Referrer-Policy": "origin"})
    answer.xframe_options_exempt = True

    got = HeadersMiddleware(lambda _: answer)(rf.get("/"))

    assert got.headers["Permissions-Policy"] == "camera=(self)"
    assert got.headers["Referrer-Policy"] == "origin"
    assert "X-Frame-Options" not in got.headers


def test_a_policy_of_a_project():
    """Origins are quoted, keywords are not."""
    policy = {"camera": [], "geolocation": ["self", "https://maps.example"], "usb": ["*"]}

    assert write_policy(policy) == 'camera=(), geolocation=(self "https://maps.example"), usb=(*)'


def test_headers_under_asgi(settings):
    """The middlewares work for a server that speaks ASGI as well."""
    answer = asyncio.run(AsyncClient().get("/healthz"))

    assert answer.status_code == 200
    assert "camera=()" in answer.headers["Permissions-Policy"]


def test_the_headers_alone(stack):
    """HEAD, which monitors send all day, is answered with the length of what GET brings, and logs nothing."""
    web = stack.web()

    with RawClient(web.browser.address) as client:
        client.send(request("HEAD", "/healthz") + request("GET", "/healthz", "Connection: close"))
        head, get = client.answer().split("HTTP/1.1 ")[1:]

    def length(answer):
        return next(line for line in answer.splitlines() if line.startswith("Content-Length"))

    assert length(head) == length(get) != "Content-Length: 0"
    assert "warning" not in web.output
