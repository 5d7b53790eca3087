"""Prints platform.yaml in the terms of each platform: one module a platform, all from the same spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.exporters import (
    azure,
    cloudrun,
    compose,
    coolify,
    crontab,
    digitalocean,
    dokku,
    dokploy,
    ecs,
    fly,
    heroku,
    kamal,
    kubernetes,
    nomad,
    northflank,
    pandastack,
    railway,
    render,
    scalingo,
    systemd,
    upsun,
)
from offbeat.deployment.exporters.export import Export, File, MissingKeyError, Options, export

if TYPE_CHECKING:
    from types import ModuleType

    from offbeat.deployment.exporters.facts import Facts
    from offbeat.deployment.spec import Platform

MODULES: tuple[ModuleType, ...] = (
    pandastack,
    render,
    heroku,
    railway,
    digitalocean,
    fly,
    cloudrun,
    ecs,
    azure,
    northflank,
    scalingo,
    upsun,
    dokku,
    coolify,
    dokploy,
    kamal,
    nomad,
    kubernetes,
    compose,
    systemd,
    crontab,
)
"""In the order in which people search for them: that of `export_platform --help` and of the tables."""
TARGETS: dict[str, ModuleType] = {module.__name__.rpartition(".")[2]: module for module in MODULES}

__all__ = ["TARGETS", "Export", "File", "MissingKeyError", "Options", "export_platform", "facts_of"]


def export_platform(name: str, platform: Platform, options: Options | None = None) -> Export:
    """Print a platform's files; raises KeyError for a name that is not in TARGETS."""
    module = TARGETS[name]
    return export(name, module.FACTS, module.files, platform, options or Options())


def facts_of(name: str) -> Facts:
    facts: Facts = TARGETS[name].FACTS
    return facts
