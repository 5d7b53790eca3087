"""What a client may write into its headers is not believed: sent over raw sockets to the real server."""

from __future__ import annotations

import json

import pytest

from offbeat.deployment.spec import read
from offbeat.dev.ports import free_port
from tests.offbeat.support.raw_client import RawClient, request, status_of

pytestmark = pytest.mark.faults

# As a client writes them, and not one of them is true.
SCHEMES = [
    ["X-Forwarded-Proto: https"],
    ["X-Forwarded-Protocol: ssl"],
    ["X-Forwarded-Ssl: on"],
    ["X-Forwarded-Scheme: https", "X-Url-Scheme: https", "Front-End-Https: on"],
    ["Forwarded: proto=https;for=1.2.3.4"],
    ["X_Forwarded_Proto: https"],
    ["X-Forwarded-Proto: https", "X-Forwarded-Proto: http"],
    ["X_Forwarded-Proto: https", "X-Forwarded-Proto: http"],
]
CLIENTS = [
    ["X-Forwarded-For: 1.2.3.4"],
    ["X_Forwarded_For: 1.2.3.4"],
    ["Forwarded: for=1.2.3.4", "X-Real-Ip: 1.2.3.4", "True-Client-Ip: 1.2.3.4", "Remote-Addr: 1.2.3.4"],
    ["REMOTE_ADDR: 1.2.3.4"],
]
PATHS = [
    ["SCRIPT_NAME: /e"],
    ["PATH_INFO: /admin/"],
    ["Script-Name: /e"],
    ["X-Script-Name: /e", "X-Original-Url: /admin/"],
]
HOSTS = [["X-Forwarded-Host: evil.example"], ["X_Forwarded_Host: evil.example"], ["X-Host: evil.example"]]


def ask(web, *fields):
    """Return what a view sees of a request with these fields; the status where none sees it."""
    with RawClient(web.browser.address) as client:
        client.send(request("GET", "/echo/", "Connection: close", *fields))
        answer = client.answer()
    status = status_of(answer)
    return json.loads(answer.partition("\r\n\r\n")[2]) if status == 200 else status


def test_without_a_router(stack):
    """With TRUSTED_PROXIES=0, no header says what the scheme, the host, the path or the client is."""
    web = stack.web(TRUSTED_PROXIES="0", FORWARDED_ALLOW_IPS="*")
    true = {"secure": False, "host": "localhost", "client": "127.0.0.1", "path": "/echo/", "size": 0}

    for fields in [*SCHEMES, *CLIENTS, *PATHS, *HOSTS]:
        assert (fields, ask(web, *fields)) == (fields, true)


def test_behind_a_router(stack):
    """The last word of each header is our router's; what a client wrote before it, or beside it, counts for nothing."""
    web = stack.web(FORWARDED_ALLOW_IPS="*")
    routers = ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: http"]
    true = {"secure": False, "host": "localhost", "client": "198.51.100.7", "path": "/echo/", "size": 0}

    for fields in [*SCHEMES, *CLIENTS, *PATHS, *HOSTS]:
        assert (fields, ask(web, *fields, *routers)) == (fields, true)
    assert ask(web, "X-Forwarded-Proto: https", "X-Forwarded-For: 1.2.3.4, 198.51.100.7")["secure"]
    assert ask(web, "X-Forwarded-For: 1.2.3.4, 198.51.100.7")["client"] == "198.51.100.7"
    assert ask(web, "X-Forwarded-Proto: http, https")["secure"]
    assert not ask(web, "X-Forwarded-Proto: https, http")["secure"]


def test_two_hosts(stack):
    """A request that names two hosts is nobody's."""
    web = stack.web()

    assert ask(web, "Host: evil.example") == 400


@pytest.mark.parametrize(
    ("bind", "address"), [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")]
)
def test_the_address_that_it_listens_on(stack, bind, address):
    """BIND says where the web service is reached, over IPv6 too; `::` takes both."""
    web, port = start(stack, BIND=bind)

    with RawClient(f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}") as client:
        client.send(request("GET", "/healthz", "Connection: close"))
        assert status_of(client.answer()) == 200
    assert web.is_running


def test_a_socket_in_the_file_system(stack):
    """Behind a proxy on the same machine, a path may take the place of a port; the proxy's neighbours are trusted no more."""
    path = stack.folder / "web.sock"
    start(stack, BIND=f"unix:{path}")

    with RawClient(f"unix:{path}") as client:
        client.send(
            request("GET", "/echo/", "Connection: close", "SCRIPT_NAME: /e", "X-Forwarded-For: 198.51.100.7")
        )
        answer = client.answer()

    assert status_of(answer) == 200
    assert '"client": "198.51.100.7"' in answer


def start(stack, **environment):
    """Start the web service as a platform does, which leaves the address to the settings."""
    port = str(free_port())
    web = stack.start("web", read().service("web").argv, PORT=port, WEB_CONCURRENCY="1", **environment)
    web.wait_for("Booting worker")
    return web, port
