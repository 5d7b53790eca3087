"""Waiting for the servers that a release needs: a bounded time, and naming them without their passwords."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import redis
from celery import current_app
from django.conf import settings
from django.db import OperationalError, connection
from kombu.exceptions import OperationalError as OperationalRefusal

from offbeat.redaction import first_line
from offbeat.variables import redis_client

if TYPE_CHECKING:
    from collections.abc import Callable

Refusals = type[Exception] | tuple[type[Exception], ...]

PAUSE = 0.5
"""Seconds between two tries: a deploy waits a little, and a starting server is not bothered."""


class ServerAwayError(Exception):
    """A server did not answer in time. Show the message; it names the server, and what it said last."""


def wait_for_postgres(seconds: float, on_wait: Callable[[str], None]) -> None:
    """Return when PostgreSQL answers a query, and would take a write; raises ServerAwayError after so many seconds."""
    _wait(
        _ask_postgres,
        OperationalError,
        f"PostgreSQL at {postgres_address()} (DATABASE_URL)",
        seconds,
        on_wait,
    )


def wait_for_broker(seconds: float, on_wait: Callable[[str], None]) -> None:
    """Return when the broker answers; raises ServerAwayError after so many seconds."""
    if not settings.BROKER_URL:
        server, ask = f"Redis at {redis_address()} (REDIS_URL)", _ask_redis
    else:
        server, ask = (
            f"the broker at {urlsplit(settings.BROKER_URL).hostname or 'its service'} (BROKER_URL)",
            _ask_broker,
        )
    _wait(ask, (redis.RedisError, OSError, OperationalRefusal), server, seconds, on_wait)


def redis_problem() -> str:
    """Return in one line why the Redis that answers cannot be the broker, "" where it can, or another broker is."""
    if settings.BROKER_URL:
        return ""
    with settings.REDIS.connect(socket_connect_timeout=2, socket_timeout=2) as client:
        problem = redis_client.cluster_problem(client)
    return problem and f"Redis at {redis_address()} (REDIS_URL) is a cluster. {problem}."


def postgres_address() -> str:
    found = connection.settings_dict
    return f"{found['HOST'] or 'the local socket'}:{found['PORT'] or 5432}"


def redis_address() -> str:
    return str(settings.REDIS)


def _ask_postgres() -> None:
    """Raise OperationalError also where it answers and takes no writes: a standby may be about to become the primary."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        (is_read_only,) = cursor.fetchone()
    if is_read_only == "on":
        raise OperationalError("it is read-only: a standby, or default_transaction_read_only")


def _ask_redis() -> None:
    with settings.REDIS.connect(socket_connect_timeout=2, socket_timeout=2) as client:
        client.ping()


def _ask_broker() -> None:
    with current_app.connection_for_write(connect_timeout=2) as at:
        at.connect()


def _wait(
    ask: Callable[[], None], refusals: Refusals, server: str, seconds: float, on_wait: Callable[[str], None]
) -> None:
    deadline = time.monotonic() + seconds
    for attempt in count():
        try:
            ask()
        except refusals as error:
            connection.close()
            if time.monotonic() + PAUSE > deadline:
                raise ServerAwayError(
                    f"{server} did not answer within {seconds:.0f} s: {first_line(error).rstrip('.')}"
                ) from None
            if attempt == 0:
                on_wait(f"Waiting for {server}, {seconds:.0f} s at most.")
        else:
            return
        time.sleep(PAUSE)
