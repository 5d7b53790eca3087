"""What `./run up` makes of `.env`, pyproject.toml and platform.yaml: read at the start, and again whenever they change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offbeat.dev.commands import launches, mail_launch
from offbeat.dev.environments import development
from offbeat.dev.local_variables import read_local_variables
from offbeat.dev.ports import LOOPBACK, free_port
from offbeat.env import Environment
from offbeat.variables.files import SUFFIX

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from offbeat.dev.launch import Launch

# What has been started stands on their values.
FIXED = ("DATABASE_URL", "REDIS_URL", "PORT", "LOCAL_DIR")
FIXED_NAMES = {*FIXED, *(f"{name}{SUFFIX}" for name in FIXED)}


class LocalSetup:
    """The variables of the processes, and how each is started. `typed` are those of the terminal, which win."""

    def __init__(self, typed: Mapping[str, str], listener: socket.socket, servers: Mapping[str, str]) -> None:
        """`servers` are the variables that lead to the embedded ones."""
        self.typed, self.listener = typed, listener
        wanted = self._wanted()
        self.at_start = {name: wanted[name] for name in FIXED_NAMES & wanted.keys()}
        self.fixed = {**self.at_start, **servers}
        self.sink = {"EMAIL_HOST": LOOPBACK, "EMAIL_PORT": str(free_port()), "EMAIL_USE_TLS": "false"}

    def environment(self) -> dict[str, str]:
        """Give the variables of now. Raises LocalVariablesError, and of pyproject.toml ValueError or OSError."""
        wanted = self._wanted(PORT=self.fixed["PORT"])
        wanted = {name: value for name, value in wanted.items() if name not in FIXED_NAMES}
        return wanted | ({} if self.has_mail_server(wanted) else self.sink) | self.fixed

    def launches(self) -> dict[str, Launch]:
        """Give how each process is started; raises PlatformError, too."""
        environment = self.environment()
        found = launches(environment, self.listener)
        if environment["EMAIL_PORT"] == self.sink["EMAIL_PORT"]:
            found["mail"] = mail_launch(environment)
        return found

    def unfulfilled(self) -> list[str]:
        """Return which variables have got other values than those that are in use."""
        wanted = self._wanted()
        names = sorted(FIXED_NAMES & (wanted.keys() | self.at_start.keys()))
        return [name for name in names if wanted.get(name) != self.at_start.get(name)]

    @staticmethod
    def has_mail_server(environment: Mapping[str, str]) -> bool:
        return Environment(environment).is_set("EMAIL_HOST")

    def _wanted(self, **fixed: str) -> dict[str, str]:
        return development({**read_local_variables(self.typed), **self.typed, **fixed})
