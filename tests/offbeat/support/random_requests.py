"""Random requests, valid and not, made from a description of addresses: what schemathesis and hypothesis think of."""

from __future__ import annotations

import contextlib
import json

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


def send(document, cases, usual=None):
    """Send so many requests, evenly spread over the operations; return those that ended in a 500, as commands for curl.

    Nine of ten have the headers `usual`, whatever else they have: what is refused at the door tells little. Operations that are
    described alike get the same requests, made once: to think of one costs several times what it costs to send it.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.app = get_wsgi_application()
    groups = alike(document, [found.ok() for found in schema.get_all_operations()])
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each = -(-cases // (sum(map(len, groups)) * len(modes)))
    counted, broken = [], []

    def send_one(case):
        if len(counted) % 10:
            case.headers.update(usual or {})
        answer = case.call()
        counted.append(answer.status_code)
        if answer.status_code == 500:
            broken.append(case.as_curl_command())

    with one_connection():
        for group in groups:
            for mode in modes:
                _send_to(group, mode, each, send_one)
    return len(counted), broken


def alike(document, operations):
    """Give the operations in groups of those that take the same parameters and the same body."""
    groups = {}
    for each in operations:
        described = document["paths"][each.path][each.method.lower()]
        taken = [described.get("parameters"), described.get("requestBody")]
        groups.setdefault(json.dumps(taken, sort_keys=True), []).append(each)
    return list(groups.values())


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


def _send_to(group, mode, count, send_one):
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,  # a run of CI that is red is red again; hypothesis' own seed changes with the description
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],
    )
    @given(case=group[0].as_strategy(generation_mode=mode))
    def call(case):
        for each in [case, *(at(operation, case) for operation in group[1:])]:
            send_one(each)

    call()


def at(operation, case):
    """Give the same request for another operation."""
    return operation.Case(
        path_parameters=case.path_parameters,
        headers=case.headers,
        cookies=case.cookies,
        query=case.query,
        body=case.body,
        media_type=case.media_type,
        multipart_content_types=case.multipart_content_types,
    )
