"""Finds pools other than prefork wherever a worker could be given one: in them messages run twice, and hard limits never fire."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from offbeat.deployment import other_files
from offbeat.deployment.rules import runs_celery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offbeat.deployment.spec import Platform

SAFE = {"prefork", "processes"}  # Celery's two names for the same
POOL = re.compile(
    r"(?:^|\s)(?:--pool(?::\S+)?[ =]|-[EBD]*P(?::\S+)?[ =]?|CELERY_WORKER_POOL=)[\"']?([\w.:]+)"
)
CUSTOM = "CELERY_CUSTOM_WORKER_POOL"


def pool_problem(command: str) -> str | None:
    """Return which pool a worker's command asks for, when it is not prefork."""
    if not runs_celery(command):
        return None
    wrong = next((pool for pool in POOL.findall(command) if pool not in SAFE), None)
    if wrong is None:
        return None
    return f'should not have the pool {wrong}, got "{command}": with any pool but prefork, messages run twice'


def other_pools(platform: Platform, root: Path) -> Iterator[str]:
    """Yield, a sentence each, which files beside platform.yaml, and which variables, ask for another pool."""
    for where, command in other_files.commands(root):
        if problem := pool_problem(command):
            yield f"{where}: {problem}"
    for variable in platform.env:
        where = f"platform.yaml: env/{variable.name}"
        if variable.name == "CELERY_WORKER_POOL" and variable.default not in SAFE:
            yield f'{where}: should be "prefork" or left out, got "{variable.default or ""}"'
        elif variable.name == CUSTOM:
            yield f"{where}: should be left out"
