"""What differs by broker, a module each: chosen by the scheme of Celery's broker_url. `offbeat.jobs.broker` asks the chosen one."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from celery import current_app

AMQP = ("amqp", "amqps", "pyamqp")
MODULES = {**dict.fromkeys(AMQP, "amqp"), "sqs": "sqs"}  # any other is Redis'


def scheme() -> str:
    """Return the scheme of Celery's broker_url, in a process that only writes too."""
    return str(current_app.conf.broker_write_url or current_app.conf.broker_url or "").partition("://")[0]


@lru_cache(maxsize=1)
def chosen() -> Any:
    """Return the module of this process' broker."""
    return import_module(f"{__name__}.{MODULES.get(scheme(), 'redis')}")
