"""No request, however strange, makes the API answer 500: two thousand of schemathesis', made from the API's own document."""

from __future__ import annotations

import pytest

from offbeat.api import openapi, tokens
from tests.offbeat.api import samples
from tests.offbeat.support.random_requests import operation as any_request
from tests.offbeat.support.random_requests import parameter, send

CASES = 2_000


@pytest.mark.long
@pytest.mark.timeout(900)  # some 25 CPU-seconds
@pytest.mark.django_db
def test_random_api_requests(settings):
    """With a token that may do everything, with tasks whose arguments are described, and with what is none of it."""
    settings.OFFBEAT_API = {"burst": 10**6}
    token = tokens.issue(
        "random", ["enqueue:*", "jobs:read:*", "queues:read", "workers:read", "cronjobs:read"]
    )
    document = openapi.describe(["enqueue:*"])
    bearer = parameter("Authorization", "header", {"enum": [f"Bearer {token}"] * 9 + ["Bearer wrong"]})
    one, stream = (
        document["paths"][path]["get"] for path in ("/api/jobs/{job_id}", "/api/jobs/{job_id}/events")
    )
    one["parameters"] = stream["parameters"]  # what one does not know, it passes over
    for operations in document["paths"].values():
        for operation in operations.values():
            operation["parameters"] = [*operation.get("parameters", []), *any_request(bearer)["parameters"]]
            operation.pop("security", None)

    counted, broken = send(document, CASES, {"Authorization": f"Bearer {token}"})

    assert broken == []
    assert counted >= CASES
    assert samples.charge.name in document["components"]["schemas"]
