"""Instances of a service where each is an entry of its own, because the platform runs an entry once a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from offbeat.deployment.spec import Service


def name_instances(service: Service) -> list[str]:
    """Name them: worker, worker-2, ...; one with a port runs once. No service's own name has a hyphen."""
    count = 1 if service.port else max(service.instances.min, 1)
    return [service.name, *(f"{service.name}-{number}" for number in range(2, count + 1))]
