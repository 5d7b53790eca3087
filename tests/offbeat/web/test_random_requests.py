"""No request, however strange, makes a JSON address of the core answer 500."""

from __future__ import annotations

import pytest

from tests.offbeat.support.random_requests import body, describe, operation, parameter, send

SECRET = "a-secret-of-the-tests-0123456789"
BEARER = parameter(
    "Authorization", "header", {"enum": [f"Bearer {SECRET}", "Bearer wrong", "Basic YTpi", ""]}
)
TEXT = {"type": "string"}
ANYTHING = {}
NAME = parameter("name", "path", {"anyOf": [{"enum": ["prune-jobs", "no-such"]}, TEXT]})
PROBE = {"get": operation(BEARER), "post": operation(BEARER, request_body=body(ANYTHING))}
CRON = {"post": operation(BEARER, request_body=body(ANYTHING)), "get": operation(BEARER)}
NAMED = {
    "post": operation(NAME, BEARER, request_body=body(ANYTHING)),
    "put": operation(NAME, BEARER, request_body=body(ANYTHING)),
}
ADDRESSES = {
    "/healthz": PROBE,
    "/readyz": PROBE,
    "/healthz/cron": PROBE,
    "/metrics": {"get": operation(BEARER)},
    "/cron/tick": CRON,
    "/cron/{name}": NAMED,
}
CASES = 600


@pytest.mark.django_db
def test_random_requests(settings):
    """Six hundred of them, spread over all addresses, with the right secret and without."""
    settings.CRON_SECRET = settings.METRICS_TOKEN = SECRET

    count, broken = send(describe(**ADDRESSES), CASES)

    assert broken == []
    assert count >= CASES


def test_an_error_is_found():
    """An address that is broken is reported, with a command that repeats it."""
    _, broken = send(describe(**{"/broken/": {"get": operation()}}), 4)

    assert "/broken/" in broken[0]
