"""What a token may do, as words: `enqueue:<task>`, `enqueue:*`, `jobs:read`, `jobs:read:*`, `queues:read` and so on."""

from __future__ import annotations

import re

ENQUEUE = "enqueue:"
ENQUEUE_ALL = "enqueue:*"
READ_OWN = "jobs:read"
READ_ALL = "jobs:read:*"
READ_QUEUES, READ_WORKERS, READ_CRONJOBS = "queues:read", "workers:read", "cronjobs:read"
PLAIN = (ENQUEUE_ALL, READ_OWN, READ_ALL, READ_QUEUES, READ_WORKERS, READ_CRONJOBS)
OF_TASK = re.compile(r"enqueue:[^\W\d]\w*(\.[^\W\d]\w*)+")


def problem_of(scope: str) -> str:
    """Return what is wrong with a scope, "" for nothing."""
    if scope in PLAIN or OF_TASK.fullmatch(scope):
        return ""
    return f'unknown scope "{scope}": use enqueue:<path of a task>, {", ".join(PLAIN)}'


def may_enqueue(scopes: list[str], task: str) -> bool:
    return ENQUEUE_ALL in scopes or f"{ENQUEUE}{task}" in scopes
