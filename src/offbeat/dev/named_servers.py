"""PostgreSQL and Redis that somebody has named in place of the embedded ones, as people know them: without a password."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dj_database_url

from offbeat.dev.refusal import RefusedError
from offbeat.env import Environment
from offbeat.variables import redis_forms

if TYPE_CHECKING:
    from collections.abc import Mapping

EMBEDDED = "unset both for embedded servers"


@dataclass(frozen=True)
class NamedServer:
    """`hosts` is empty where it is reached by a local socket."""

    name: str
    hosts: tuple[str, ...]
    details: str

    @property
    def is_here(self) -> bool:
        return all(map(is_this_machine, self.hosts))

    def __str__(self) -> str:
        return f"{self.name} at {','.join(self.hosts) or 'a local socket'}{self.details}"


def is_this_machine(host: str) -> bool:
    """Whether a host is this machine by its very name: what a name server says may be another tomorrow."""
    if host == "localhost" or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def named_servers(environment: Mapping[str, str]) -> list[NamedServer]:
    """Give both servers where the environment names them. Raises RefusedError where it names one of the two."""
    env = Environment(environment)
    database = env.url("DATABASE_URL", ["postgres", "postgresql"], default="")
    broker = env.parsed("REDIS_URL", redis_forms.form, "")
    if env.problems or not (database or broker):
        return []  # the settings say it better
    if not broker and env.is_set("BROKER_URL"):
        try:
            return [postgres(dj_database_url.parse(database), environment)]
        except ValueError:
            return []
    if not (database and broker):
        there, missing = ("DATABASE_URL", "REDIS_URL") if database else ("REDIS_URL", "DATABASE_URL")
        raise RefusedError(
            f"{there} is set and {missing} is not: jobs would be lost between two servers that do not belong together. "
            f"Hint: set {missing} to the one that belongs to it, or {EMBEDDED}.",
            os.EX_CONFIG,
        )
    try:
        return [postgres(dj_database_url.parse(database), environment), redis(broker)]
    except ValueError:
        return []  # as above


def postgres(settings: Mapping[str, Any], environment: Mapping[str, str]) -> NamedServer:
    """Read Django's settings of a database as libpq does, which fills in what they do not say."""
    options = settings.get("OPTIONS", {})
    service = options.get("service") or environment.get("PGSERVICE")  # a file says where that is
    wanted = (
        options.get("hostaddr"),
        settings["HOST"],
        options.get("host"),
        service and f"the service {service}",
        environment.get("PGHOSTADDR"),
        environment.get("PGHOST"),
    )
    hosts = str(next(filter(None, wanted), ""))
    details = f":{settings['PORT'] or 5432}, database {settings['NAME'] or 'of the user'}"
    return NamedServer("PostgreSQL", tuple(filter(None, hosts.split(","))), details)


def redis(url: str) -> NamedServer:
    """Read the address that `form` has returned; a socket is this machine's."""
    if url.startswith("unix:"):
        return NamedServer("Redis", (), "")
    found = redis_forms.hosts_of(url)
    ports = dict.fromkeys(str(port) for _, port in found)
    return NamedServer("Redis", tuple(host for host, _ in found), f":{','.join(ports)}")
