"""Rules between platform.yaml's values. Each gives (key, sentence) for what it refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from offbeat.deployment.kinds import nearest, split_words

if TYPE_CHECKING:
    from offbeat.deployment.spec import Platform

Problems = Iterator[tuple[str, str]]

RESERVED = {
    "cron": "exporters",
    "release": "exporters",
    "tick": "exporters",
    "postgres": "resources",
    "redis": "resources",
    "rabbitmq": "resources",
}
OLDEST_POSTGRES = 15  # which Django 6.1 still connects to; 14 is at its end of life since 12 November 2026
OLDEST = {
    "postgres": (OLDEST_POSTGRES,),
    "redis": (6, 2),
    "rabbitmq": (3, 10),
}  # kombu uses Redis' ZRANGE with BYSCORE
ENDLESS = {
    "celery",
    "gunicorn",
    "gunicorn.py",
    "uvicorn",
    "daphne",
    "honcho",
    "supercronic",
    "watch",
    "runserver",
    "tail",
    "sleep",
}
# Both ways to start a worker: Celery's own program, and `manage.py worker`.
CELERY = re.compile(r"\bcelery\b|\bmanage\.py[\"']?\s+worker\b")
SWALLOWS = {"sh", "bash", "dash", "ash", "nohup", "setsid", "timeout", "env"}


def queues_problem(command: str, queues: tuple[str, ...]) -> str | None:
    """Tell when a worker's command consumes other queues than its `queues` say."""
    if not (said := re.search(r"(?:--queues|-Q)[ =]([\w,-]+)", command)):
        if len(queues) > 1 and runs_celery(command):
            return f'should be in the command too: without "--queues {",".join(queues)}" it consumes only the default queue'
        return None
    consumed = set(said[1].split(","))
    if consumed == set(queues):
        return None
    return (
        f"should be those of the command ({', '.join(sorted(consumed))}), got {', '.join(queues) or 'none'}"
    )


def beat_problem(command: str) -> str | None:
    """Tell why a service may not be Celery Beat, when it is."""
    words = programs(command)
    if runs_celery(command) and (
        "beat" in words or "--beat" in words or any(re.fullmatch(r"-[A-Za-z]*B", each) for each in words)
    ):
        return f'should not run Celery Beat, got "{command}": the platform\'s own cronjobs replace it'
    return None


def cronjob_command_problem(command: str) -> str | None:
    """Tell why a cronjob's command would never return an exit code of its own, when it would not."""
    words = programs(command)
    endless = next((word for word in words if word in ENDLESS), None)
    if not endless and runs_celery(command):
        endless = "manage.py worker"
    if endless:
        return (
            f'should be a command that ends, got "{command}": {endless} does not end, so it has no exit code'
        )
    if words[0] in SWALLOWS:
        return f'should be the management command itself, got "{command}": {words[0]} hides its exit code'
    return None


def runs_celery(command: str) -> bool:
    return bool(CELERY.search(command))


def programs(command: str) -> list[str]:
    """Give the words of a command line, programs without the folder that they are in."""
    try:
        words = split_words(command)
    except ValueError:  # of a Procfile, which is a shell's to read
        words = command.split()
    return [word.rsplit("/", 1)[-1] for word in words]


def platform_problems(platform: Platform) -> Problems:
    """Give every problem between the parts of a platform whose parts are right by themselves."""
    yield from _services(platform)
    yield from _names(platform)
    yield from _commands(platform)
    yield from _versions(platform)
    yield from _env(platform)


def _services(platform: Platform) -> Problems:
    if not platform.services:
        yield "services", "should have at least one service, got none"
    for service in platform.services:
        if service.port and service.name != "web":
            yield (
                f"services/{service.name}/name",
                (
                    f'should be "web" for the service with a port, got "{service.name}": '
                    "Heroku, Dokku and Scalingo send requests to no other name"
                ),
            )
    if platform.cronjobs and not any(service.queues for service in platform.services):
        yield (
            "services",
            "should have a service with queues: cronjobs only enqueue, and nothing would run their jobs",
        )


def _names(platform: Platform) -> Problems:
    owners = {name: f"to the {owner}" for name, owner in RESERVED.items()}
    named = [("services", each.name) for each in platform.services] + [
        ("cronjobs", each.name) for each in platform.cronjobs
    ]
    for section, name in named:
        if name in owners:
            yield (
                f"{section}/{name}/name",
                f'should be a unique name, got "{name}", which belongs {owners[name]}',
            )
        owners[name] = f"to {section}/{name}"


def _commands(platform: Platform) -> Problems:
    first: dict[str, str] = {}
    for cronjob in platform.cronjobs:
        line = " ".join(cronjob.argv)
        if line in first:
            yield (
                f"cronjobs/{cronjob.name}/command",
                (
                    f'should differ from that of {first[line]}, got "{line}" twice: "--name {cronjob.name}" makes them different'
                ),
            )
        first.setdefault(line, cronjob.name)


def _versions(platform: Platform) -> Problems:
    effects = {
        "postgres": "an older one gets no fixes",
        "redis": "Celery does not work with an older one",
        "rabbitmq": "Offbeat is tested with none that is older",
    }
    for kind, resource in platform.resources.items():
        # "6" is the newest 6, as an image's tag is.
        asked = tuple(int(each) for each in resource.version.split("."))
        if asked < OLDEST[kind][: len(asked)]:
            oldest = ".".join(map(str, OLDEST[kind]))
            yield (
                f"resources/{kind}/version",
                f'should be {oldest} or newer, got "{resource.version}": {effects[kind]}',
            )


def _env(platform: Platform) -> Problems:
    services = [service.name for service in platform.services]
    for variable in platform.env:
        for name in variable.services:
            if name not in services:
                yield (
                    f"env/{variable.name}/services",
                    f'should name a service, got "{name}"{nearest(name, services)}',
                )
        if variable.name in platform.resources.injected:
            yield f"env/{variable.name}", "should be removed: a resource injects it"
        if variable.name == "PORT":
            yield "env/PORT", "should be removed: the service's port sets it"
