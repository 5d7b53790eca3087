"""BROKER_URL: the broker where it is not the Redis of REDIS_URL, and why others that Celery has are none for jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.variables import rabbitmq_url, sqs_url
from offbeat.variables.values import address

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS: dict[str, Callable[[str], str]] = {
    "amqp": rabbitmq_url.form,
    "amqps": rabbitmq_url.form,
    "sqs": sqs_url.form,
}
EXPERIMENTAL = "Celery's transport for it is experimental, and nobody has tried it with jobs"
UNSUPPORTED = {
    **dict.fromkeys(("redis", "rediss", "redis+socket", "sentinel", "unix"), "a Redis goes into REDIS_URL"),
    **dict.fromkeys(
        ("kafka", "confluentkafka"),
        "Celery's transport for Kafka acknowledges every earlier message with each one, so a killed worker loses tasks",
    ),
    **dict.fromkeys(
        ("memory", "filesystem", "file"), "it reaches one process, or one machine, and nothing else"
    ),
    **dict.fromkeys(
        ("sqlalchemy", "sqla", "django", "postgresql", "postgres", "pgmq", "mysql", "sqlite"),
        "a database as broker is polled; PostgreSQL has the jobs already, and a broker only wakes workers",
    ),
    **dict.fromkeys(
        ("mongodb", "zookeeper", "consul", "etcd", "qpid", "pyro", "slmq", "librabbitmq"),
        "Celery's transport for it is no longer kept up, or experimental",
    ),
    **dict.fromkeys(("azureservicebus", "azurestoragequeues", "gcpubsub"), EXPERIMENTAL),
}


def form(value: str) -> str:
    """Return an address as it is. Raises ValueError for one that is no broker of ours, or is wrong, without a secret in it."""
    scheme = value.partition("://")[0].lower()
    kind = scheme.partition("+")[0]
    if scheme in FORMS:
        return FORMS[scheme](value)
    if reason := UNSUPPORTED.get(scheme) or UNSUPPORTED.get(kind):
        raise ValueError(f"{scheme}:// is not supported: {reason}. It should be {_wanted()}")
    return address(sorted(FORMS))(value)


def _wanted() -> str:
    return " or ".join(f"{each}://…" for each in sorted(FORMS))
