"""How often a worker asks for a broker that is away."""

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from offbeat.dev.ports import free_port


def test_a_broker_that_is_away_is_asked_every_few_seconds(monkeypatch):
    """The pauses do not grow with the outage, so that the worker consumes within seconds of its end."""
    pauses = []
    monkeypatch.setattr("kombu.utils.functional.sleep", lambda _: None)
    connection = current_app.connection_for_read(f"redis://127.0.0.1:{free_port()}/0")

    with pytest.raises(OperationalError):
        connection.ensure_connection(lambda _, pause: pauses.append(pause), max_retries=6)

    assert pauses == [2, 4, 5, 5, 5, 5]
