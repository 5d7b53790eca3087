"""Which variables a process gets on a platform: the same for web, worker, cronjobs and the release command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.deployment.budget import commanded, concurrency
from offbeat.variables.weak_secrets import RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from offbeat.deployment.exporters.export import Target
    from offbeat.deployment.spec import EnvVar, Platform, Service

HOSTS = "ALLOWED_HOSTS"
ADDRESS = "BASE_URL"
"""The two variables that tell the site's own address: platforms that know it fill them in."""


def fixed_values(target: Target, service: Service | None) -> dict[str, str]:
    """Give the values that are known: defaults, the port and the grace that the worker really gets."""
    process = service.name if service else ""
    values = {each.name: each.default for each in target.platform.env_of(process) if each.default is not None}
    return values | own_values(target, service)


def own_values(target: Target, service: Service | None) -> dict[str, str]:
    """Give the values that belong to one service alone."""
    if service is None:
        return {}
    values = {"PORT": str(service.port)} if service.port else {}
    values |= processes(target, (service,))
    return values | ({"WORKER_GRACE": str(target.grace(service))} if service.queues else {})


def particular_values(target: Target, service: Service) -> dict[str, str]:
    """Give what one service gets beyond what all do: variables that name it, its port and its grace."""
    named = [
        each for each in target.platform.env_of(service.name) if each.services and each.default is not None
    ]
    return {each.name: str(each.default) for each in named} | own_values(target, service)


def shared_values(target: Target) -> dict[str, str]:
    """Give the known values for a platform on which all processes of an app share them.

    The grace is that of the worker with the least: to stop too early loses nothing, to stop too late does.
    """
    platform = target.platform
    values = {each.name: each.default for each in platform.env if each.default is not None}
    values |= processes(target, platform.services)
    graces = [target.grace(each) for each in platform.services if each.queues]
    return values | ({"WORKER_GRACE": str(min(graces))} if graces else {})


def processes(target: Target, services: Iterable[Service]) -> dict[str, str]:
    """Give how many processes the services run, where their containers cannot tell; the least, where they share the variable.

    A worker whose command says a number asks no variable.
    """
    if target.facts.shows_size:
        return {}
    asking = [each for each in services if not commanded(each)]
    counts = sorted((concurrency(target.sized(each), target.platform) for each in asking), reverse=True)
    return {name: str(count) for name, count in counts}


def asked(platform: Platform) -> Iterator[EnvVar]:
    """Give the variables that somebody has to set, or may: required and generated ones first."""
    chosen = [each for each in platform.env if each.default is None]
    yield from sorted(chosen, key=lambda each: not (each.required or each.generated))


def needed(platform: Platform) -> Iterator[EnvVar]:
    """Give the variables without which nothing starts."""
    return (each for each in platform.env if each.required or each.generated)


def purpose(variable: EnvVar) -> str:
    """Say in a line what a variable is for and whether it must be there."""
    return _said(variable, "generated")


def to_fill_in(variable: EnvVar) -> str:
    """Say the same where a person makes what is generated: with the command that makes it."""
    return _said(variable, f"generated, once, by {RECIPE}")


def assignment(variable: EnvVar) -> str:
    """Give a word of a command that sets variables: with the command that makes what is generated, or a blank to fill in."""
    return f'{variable.name}="$({RECIPE})"' if variable.generated else f'{variable.name}="..."'


def _said(variable: EnvVar, generated: str) -> str:
    need = "required" if variable.required else generated if variable.generated else "optional"
    return f"{need}: {variable.help}" if variable.help else need
