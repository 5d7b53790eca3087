"""No request, however strange, makes a JSON address of the newsletter answer 500."""

from uuid import uuid4

import pytest

from newsletter.tasks import send_reminder
from tests.offbeat.support.random_requests import body, describe, operation, parameter, send

TEXT = {"type": "string"}
EMAIL = {"anyOf": [{"type": "string", "format": "email"}, TEXT, {}]}
SUBSCRIBE = {"type": "object", "properties": {"email": EMAIL}, "required": ["email"]}
CASES = 200


@pytest.mark.django_db
def test_random_requests(bob):
    """Two hundred of them, to subscribe and to ask for a job, one that exists among them."""
    job = send_reminder.enqueue(bob.pk)
    identity = parameter("job_id", "path", {"anyOf": [{"enum": [str(job.pk), str(uuid4())]}, TEXT]})
    anything = operation(request_body=body({}, "text/plain"))
    addresses = {
        "/api/subscribers/": {"post": operation(request_body=body(SUBSCRIBE)), "put": anything},
        "/api/subscriptions/{job_id}/": {"get": operation(identity), "post": operation(identity)},
    }

    count, broken = send(describe(**addresses), CASES)

    assert broken == []
    assert count >= CASES
