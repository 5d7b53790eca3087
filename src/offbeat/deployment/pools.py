"""Finds pools that are not supported, and options that change a pool's size, wherever a worker could be given one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat import pools
from offbeat.container import MOST
from offbeat.deployment import other_files
from offbeat.deployment.budget import CONCURRENCY
from offbeat.deployment.rules import runs_celery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from offbeat.deployment.spec import Platform

CUSTOM = "CELERY_CUSTOM_WORKER_POOL"
SIZES = ("CELERY_WORKER_AUTOSCALE", "CELERY_AUTOSCALE")
NO_AUTOSCALE = "Celery would end processes that run jobs: write --concurrency, and a range of instances"


def pool_problem(command: str) -> str | None:
    """Return what is wrong with the pool of a worker's command, None where nothing is."""
    if not runs_celery(command):
        return None
    for pool in pools.chosen(command):
        if refusal := pools.refusal(pool):
            return f'should not have the pool {refusal}, got "{command}": {pools.HINT}'
    if pools.AUTOSCALE.search(command):
        return f'should not have --autoscale, got "{command}": {NO_AUTOSCALE}'
    if any(int(count) > MOST for count in CONCURRENCY.findall(command)):
        return f'should have --concurrency {MOST} at most, got "{command}": more are for more instances'
    return None


def other_pools(platform: Platform, root: Path) -> Iterator[str]:
    """Yield, a sentence each, which files beside platform.yaml, and which variables, ask for a pool that cannot be had."""
    for where, command in other_files.commands(root):
        if problem := pool_problem(command):
            yield f"{where}: {problem}"
    for variable in platform.env:
        where, value = f"platform.yaml: env/{variable.name}", variable.default or ""
        if variable.name == pools.VARIABLE and (refusal := pools.refusal(value)):
            yield f"{where}: should not be {refusal if value else 'empty'}: {pools.HINT}"
        elif variable.name in SIZES:
            yield f"{where}: should be left out: {NO_AUTOSCALE}"
        elif variable.name == CUSTOM:
            yield f"{where}: should be left out"
    for service in platform.services:
        for pool in pools.chosen(service.command) if service.queues else ():
            if missing := pools.missing_package(pool):
                yield f"platform.yaml: services/{service.name}/command: {missing}"
