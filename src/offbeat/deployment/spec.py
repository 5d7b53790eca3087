"""platform.yaml, read and checked: what the platform runs, in this project's own terms.

Importing it loads neither Django nor Celery: every wake-up of every cronjob reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offbeat.deployment import strict_yaml
from offbeat.deployment.kinds import (
    COMMAND,
    FLAG,
    HELP,
    INVALID,
    VALUE,
    VERSION,
    ZONE,
    Listing,
    Place,
    number,
    split_words,
    text,
)
from offbeat.deployment.names import (
    ANY_NAME,
    BRANCH,
    CRONJOB_NAME,
    ENV_NAME,
    IMAGE,
    PLATFORM_NAME,
    REPOSITORY,
)
from offbeat.deployment.records import ByName, NamedList, Record, entry
from offbeat.deployment.rules import cronjob_command_problem, platform_problems
from offbeat.deployment.schedule import Schedule, ScheduleError
from offbeat.deployment.service import Instances, Service
from offbeat.project import PLATFORM_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

# ruff: noqa: RUF009 - entry() declares a field, as dataclasses.field() does

__all__ = [
    "PLATFORM_FILE",
    "CronJobSpec",
    "EnvVar",
    "Instances",
    "Platform",
    "PlatformError",
    "Resource",
    "Resources",
    "Service",
    "parse",
    "read",
]


CRON_LINE = text("text of five fields", r".*\S.*")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A server that the platform provides."""

    version: str = entry(VERSION, "Its major version, if the platform offers a choice.")
    injects: str = entry(ENV_NAME, "The variable that contains its address.")
    connections: int | None = entry(
        number(1, 100000, "connections"),
        "How many connections its plan allows: check_platform compares them with the services.",
        None,
    )


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The servers that the services need. For an external server, make its variable required in env instead."""

    postgres: Resource | None = entry(Record(Resource), "PostgreSQL, 15 or newer: stores all data.", None)
    redis: Resource | None = entry(
        Record(Resource), "Redis, 6.2 or newer, or Valkey: carries the jobs.", None
    )
    rabbitmq: Resource | None = entry(
        Record(Resource),
        "RabbitMQ, 3.10 or newer: carries the jobs in place of Redis. Injects BROKER_URL.",
        None,
    )

    def items(self) -> tuple[tuple[str, Resource], ...]:
        """Give (kind, resource) for each that is there, postgres first."""
        pairs = (("postgres", self.postgres), ("redis", self.redis), ("rabbitmq", self.rabbitmq))
        return tuple((kind, resource) for kind, resource in pairs if resource)

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind, _ in self.items())

    @property
    def injected(self) -> tuple[str, ...]:
        return tuple(resource.injects for _, resource in self.items())


@dataclass(frozen=True, kw_only=True)
class EnvVar:
    """An environment variable of the services, the cronjobs and the release command."""

    name: str
    help: str = entry(HELP, "Its purpose, in one line. Checklists print it.", "")
    required: bool = entry(FLAG, "A person must set it. No process starts without it.", False)
    generated: bool = entry(FLAG, "A long random secret, generated once, the same for every process.", False)
    default: str | None = entry(VALUE, "The value, unless a person sets another one. In quotes.", None)
    secret: bool = entry(FLAG, "Stored with the platform's secrets, and never printed.", False)
    services: tuple[str, ...] = entry(
        Listing(ANY_NAME), "Only these services get it. Without this key every process gets it.", ()
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        said = [word for word in ("required", "generated") if getattr(self, word)]
        said += ["default"] if self.default is not None else []
        if len(said) > 1:
            yield "", f"should be one of required, generated and default, got {' and '.join(said)}"
        if self.services and (self.required or self.generated):
            yield (
                "services",
                (f"should be removed for a {said[0]} variable: cronjobs and the release need it too"),
            )

    @property
    def is_optional(self) -> bool:
        return not (self.required or self.generated) and self.default is None

    @property
    def is_secret(self) -> bool:
        return self.secret or self.generated


@dataclass(frozen=True, kw_only=True)
class CronJobSpec:
    """A schedule and a management command. The platform runs it."""

    name: str = entry(
        CRONJOB_NAME, "Its name in slots, logs and on the platform. A new name is a new cronjob."
    )
    schedule: str = entry(CRON_LINE, "Five fields: minute, hour, day of month, month, day of week.")
    timezone: str = entry(ZONE, "The time zone of the schedule, like Europe/Berlin.", "UTC")
    command: str = entry(COMMAND, "A management command that enqueues and exits: the job runs in a worker.")

    @property
    def argv(self) -> list[str]:
        return split_words(self.command)

    @cached_property
    def parsed_schedule(self) -> Schedule:
        return Schedule.parse(self.schedule, self.timezone, self.name)

    def problems(self) -> Iterator[tuple[str, str]]:
        try:
            self.parsed_schedule  # noqa: B018  raises for one that is none
        except ScheduleError as error:
            yield "schedule", str(error)
        if problem := cronjob_command_problem(self.command):
            yield "command", problem


@dataclass(frozen=True, kw_only=True)
class Platform:
    """The whole file."""

    name: str = entry(PLATFORM_NAME, "The app's name on the platform.")
    repository: str | None = entry(
        REPOSITORY, "The repository for platforms that build from GitHub. Their exporters need it.", None
    )
    branch: str = entry(BRANCH, "The branch that these platforms deploy.", "main")
    image: str | None = entry(
        IMAGE, "The image for platforms without a builder. Their exporters need it.", None
    )
    services: tuple[Service, ...] = entry(
        NamedList(Record(Service)), "Long-running processes made from the image."
    )
    resources: Resources = entry(Record(Resources), "Servers that the platform provides.", Resources())
    release: str | None = entry(COMMAND, "Runs once per deploy, before the new services start.", None)
    env: tuple[EnvVar, ...] = entry(ByName(ENV_NAME, Record(EnvVar)), "Environment variables, by name.", ())
    cronjobs: tuple[CronJobSpec, ...] = entry(
        NamedList(Record(CronJobSpec)), "Schedules, each with a management command.", ()
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        return platform_problems(self)

    def cronjob(self, name: str) -> CronJobSpec:
        """Find a cronjob by its name; raises KeyError with the names that there are."""
        for each in self.cronjobs:
            if each.name == name:
                return each
        known = ", ".join(each.name for each in self.cronjobs) or "none"
        raise KeyError(f"platform.yaml has no cronjob {name!r}; it has: {known}")

    def service(self, name: str) -> Service:
        """Find a service by its name; raises KeyError."""
        return next(each for each in self.services if each.name == name)

    def env_of(self, process: str) -> tuple[EnvVar, ...]:
        """Give the variables that a service gets, or (by any other name) a cronjob or the release command."""
        return tuple(each for each in self.env if not each.services or process in each.services)


class PlatformError(Exception):
    """platform.yaml is not right: `errors` has a line for each thing to mend, and str() is all of them."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors


def read(path: Path | str = PLATFORM_FILE) -> Platform:
    """Read a platform.yaml; raises PlatformError with everything that is wrong in it."""
    path = Path(path)
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        raise PlatformError((f"{path}: cannot be read: {error.strerror}",)) from None
    except UnicodeDecodeError:
        raise PlatformError((f"{path}: should be UTF-8 text",)) from None
    return parse(source, path.name)


def parse(source: str, filename: str = "platform.yaml") -> Platform:
    """Read the text of a platform.yaml; raises PlatformError with everything that is wrong in it."""
    try:
        document: Any = strict_yaml.load(source)
    except ValueError as error:
        raise PlatformError((f"{filename}: {error}",)) from None
    errors: list[str] = []
    platform = Record(Platform).read(document, Place((), errors))
    if errors or platform is INVALID:
        raise PlatformError(tuple(f"{filename}: {error}" for error in errors))
    return platform
