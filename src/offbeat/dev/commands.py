"""The commands that `./run up` runs: the services of platform.yaml, and what stands in for the platform."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from offbeat.deployment.rules import programs
from offbeat.deployment.spec import read
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.servers import MANAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.deployment.spec import Service

RELOADING = [sys.executable, "-m", "offbeat.dev.reloader"]


def commands(environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Give each process's command by its name; raises PlatformError."""
    services = {service.name: development_command(service, environment) for service in read().services}
    return services | {"cron": [*MANAGE, "localcron"]}


def development_command(service: Service, environment: Mapping[str, str]) -> list[str]:
    """Give a service's command, with what a developer needs: reloading, and no port open to the network."""
    if {"gunicorn", "gunicorn.py"} & set(
        programs(service.command)
    ):  # it reloads by itself, and keeps the browser waiting meanwhile
        return [*service.argv, "--bind", f"{LOOPBACK}:{environment['PORT']}"]
    return [*RELOADING, *service.argv]
