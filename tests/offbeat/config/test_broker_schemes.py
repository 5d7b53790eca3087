"""BROKER_URL names a broker that carries jobs, or says in one line why another one does not."""

from __future__ import annotations

import pytest
from kombu.transport import TRANSPORT_ALIASES

from offbeat.variables import broker_url, sqs_url


@pytest.mark.parametrize(
    "scheme", sorted({each.lower() for each in TRANSPORT_ALIASES} - {"amqp", "amqps", "pyamqp", "sqs"})
)
def test_every_other_broker_of_celery_s(scheme):
    """Each is refused with its reason and what would be right, and nothing of the address is in that."""
    with pytest.raises(
        ValueError, match=rf"^{scheme}:// is not supported: .+\. It should be .*sqs://"
    ) as refused:
        broker_url.form(f"{scheme}://user:hidden@host/0")

    assert "hidden" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_database_by_sqlalchemy():
    """What stands before the + says what it is."""
    with pytest.raises(ValueError, match="PostgreSQL has the jobs already"):
        broker_url.form("sqla+postgresql://user:hidden@host/shop")


def test_kafka_says_what_happened():
    """It was tried, and it lost a task."""
    with pytest.raises(ValueError, match="acknowledges every earlier message with each one"):
        broker_url.form("kafka://host:9092")


def test_sqs_needs_its_library(monkeypatch):
    """Without it no process starts: the line names the extra."""
    monkeypatch.setattr(sqs_url, "find_spec", lambda _: None)

    with pytest.raises(ValueError, match="botocore is not installed: add the extra `sqs`"):
        broker_url.form("sqs://")


@pytest.mark.parametrize("name", ["WORKER_REMOTE_CONTROL", "WORKER_TASK_EVENTS"])
def test_sqs_has_no_broadcasts(name):
    """What needs messages to all workers is refused, by the variable that asks for it."""
    told = []
    sqs_url.refuse_broadcasts({name: True, "OTHER": False}, lambda *texts: told.append(texts))

    ((problem, hint),) = told
    assert problem.startswith(f"{name}=true: Amazon SQS has no messages to all workers")
    assert hint.startswith(f"remove {name}")
