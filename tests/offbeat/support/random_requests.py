"""Random requests, valid and not, made from a description of addresses: what schemathesis and hypothesis think of."""

from __future__ import annotations

import contextlib

import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode


def parameter(name, place, schema, *, required=False):
    """Describe a parameter in a path, a query or a header."""
    return {"name": name, "in": place, "required": required or place == "path", "schema": schema}


def body(schema, kind="application/json"):
    """Describe a body."""
    return {"required": False, "content": {kind: {"schema": schema}}}


def describe(**paths):
    """Make an OpenAPI document of (method, parameters, body) by path."""
    return {
        "openapi": "3.0.3",
        "info": {"title": "JSON addresses", "version": "1"},
        "paths": paths,
    }


def operation(*parameters, request_body=None):
    """Describe what one method of a path takes, beside what may come with every request."""
    strange = [
        parameter(name, "header", {"type": "string"})
        for name in ("Accept", "X-Request-ID", "X-Forwarded-For")
    ]
    query = parameter("q", "query", {"type": "string"})
    described = {
        "parameters": [*parameters, *strange, query],
        "responses": {"default": {"description": "any"}},
    }
    return described | ({"requestBody": request_body} if request_body else {})


def send(document, cases):
    """Send so many requests, evenly spread over the operations; return those that ended in a 500, as commands for curl."""
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    operations = [found.ok() for found in schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each = -(-cases // (len(operations) * len(modes)))
    counted, broken = [], []
    with one_connection():
        for described in operations:
            for mode in modes:
                _send_to(described, mode, each, counted, broken)
    return len(counted), broken


@contextlib.contextmanager
def one_connection():
    """Let requests use the test's connection to the database, in its transaction, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)


def _send_to(described, mode, count, counted, broken):
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,  # a run of CI that is red is red again; hypothesis' own seed changes with the description
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=described.as_strategy(generation_mode=mode))
    def call(case):
        answer = case.call()
        counted.append(answer.status_code)
        if answer.status_code == 500:
            broken.append(case.as_curl_command())

    call()
