"""Which pools a worker may have, by Celery's names, and why not another: asked by checks, for platform.yaml and by a worker."""

from __future__ import annotations

import re
from importlib.util import find_spec

VARIABLE = "CELERY_WORKER_POOL"  # Celery's command line reads each of its options from such a variable, too
DEFAULT = "prefork"
SUPPORTED = (DEFAULT, "processes", "threads", "gevent", "solo")  # Celery has two names for the first
HINT = "use --pool prefork (the default), threads, gevent or solo: docs/offbeat/pools.md"
UNSAFE = {
    "eventlet": "it is no longer maintained, and use gevent in its place",
    "custom": "Offbeat cannot know whether a pool of your own ends and recovers jobs",
}
UNKNOWN = "Celery has no such pool"
GEVENT_MISSING = (
    "gevent is not installed. "
    "Hint: add the extra gevent of src/offbeat/pyproject.toml to your dependencies, then ./run lock"
)
OPTION = re.compile(
    r"(?:^|\s)(?:--pool(?::\S+)?[ =]|-[EBD]*P(?::\S+)?[ =]?|CELERY_WORKER_POOL=)[\"']?([\w.:]+)"
)
AUTOSCALE = re.compile(r"(?:^|\s)(?:--autoscale[ =]|CELERY_WORKER_AUTOSCALE=|CELERY_AUTOSCALE=)")


def refusal(pool: str) -> str:
    """Return why a worker may not have a pool, "" where it may. It is not asked whether its package is installed here."""
    if pool in SUPPORTED:
        return ""
    return f"{pool}, which is not supported: {UNSAFE.get(pool, UNKNOWN)}"


def missing_package(pool: str) -> str:
    """Return what a pool needs and this machine lacks, "" where nothing is missing."""
    return GEVENT_MISSING if pool == "gevent" and find_spec("gevent") is None else ""


def problem(pool: str) -> str:
    """Return in one line why a worker with a pool cannot start here, "" where it can."""
    if pool in SUPPORTED:
        return missing_package(pool)
    return f"the worker's pool is {refusal(pool)}. Hint: {HINT}"


def chosen(command: str) -> list[str]:
    """Return the pools that a worker's command names, in its options and in variables before it."""
    return OPTION.findall(command)
