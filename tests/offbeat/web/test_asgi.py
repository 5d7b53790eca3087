"""Under a server that speaks ASGI each request has a thread of its own, and so a connection of its own."""

import asyncio

import pytest
from django.db import connection, connections

from offbeat.web.asgi import get_asgi_application
from tests.offbeat.support.polling import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

REQUESTS = 10


async def visit(application, path):
    """Ask for a page as a server does, and return its status."""
    statuses, bodies = [], [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        if not bodies:
            await asyncio.sleep(3600)  # the client stays
        return bodies.pop()

    async def send(message):
        statuses.extend([message["status"]] if "status" in message else [])

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
    }
    await application(scope, receive, send)
    return statuses[0]


def count_sessions():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return cursor.fetchone()[0]


def test_requests_leave_no_connections(monkeypatch):
    """Kept for a minute, as a thread that comes back does, each would stay until PostgreSQL takes no more."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", 60)
    before = count_sessions()
    application = get_asgi_application()

    async def visit_all():
        return await asyncio.gather(*(visit(application, "/faults/ask-slowly/0/") for _ in range(REQUESTS)))

    assert asyncio.run(visit_all()) == [200] * REQUESTS
    wait_until(lambda: count_sessions() == before)  # a server's process takes a moment to end
