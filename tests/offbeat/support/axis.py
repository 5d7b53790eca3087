"""The broker and the pool that a run of the fault tests is for: OFFBEAT_TEST_BROKER and OFFBEAT_TEST_POOL.

OFFBEAT_TEST_ALL=true: with the tests that hold there too, and whose marks say that they are run once a week.
"""

from __future__ import annotations

import os

import pytest

from tests.offbeat.support import rabbitmq_server, sqs_server

BROKER = os.environ.get("OFFBEAT_TEST_BROKER", "redis")
POOL = os.environ.get("OFFBEAT_TEST_POOL", "prefork")
WITH_WEEKLY = os.environ.get("OFFBEAT_TEST_ALL") == "true"
SERVERS = {
    "rabbitmq": (rabbitmq_server.RabbitServer, rabbitmq_server.MISSING),
    "sqs": (sqs_server.SqsServer, sqs_server.MISSING),
}


def make_server(folder):
    """Give the server of a broker that is not Redis, and why it cannot be started, "" for it can; None for Redis."""
    if BROKER not in SERVERS:
        return None, ""
    kind, missing = SERVERS[BROKER]
    return kind(folder / BROKER), missing


def of_this_run(item):
    """Tell whether a test is for the broker and the pool at hand."""
    return is_for(item, "brokers", BROKER, "redis") and is_for(item, "pools", POOL, "prefork")


def is_for(item, name, value, usual):
    marks = list(item.iter_markers(name))
    if value == usual:
        return not any(mark.kwargs.get("only") for mark in marks)
    weekly = WITH_WEEKLY and any(value in mark.kwargs.get("weekly", ()) for mark in marks)
    return weekly or any(value in mark.args for mark in marks)


def select(config, items, missing):
    """Deselect what is for other runs; skip all where the server is missing."""
    others = [item for item in items if not of_this_run(item)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]
    for item in items if missing else ():
        item.add_marker(pytest.mark.skip(reason=missing))
