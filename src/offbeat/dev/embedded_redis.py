"""An embedded Redis."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import sys
from typing import TYPE_CHECKING, Self

import redis

from offbeat.dev.embedded import EmbeddedServer, ServerFailedError
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.redis_executable import redis_executable

if TYPE_CHECKING:
    from pathlib import Path


# Redis from 7.4 on and Valkey do not read each other's files.
OTHER_FORMAT = re.compile(r"handle RDB format version|Wrong signature")


class EmbeddedRedis(EmbeddedServer):
    """A Redis or Valkey. Durable: what a clean stop leaves is there at the next start; else it starts empty."""

    name = "Redis"
    stop_signals = (signal.SIGTERM,)

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        super().__init__(folder, durable=durable)
        self.password = secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    def connect(self) -> redis.Redis:
        """Make a client whose commands fail after five seconds, rather than wait for a paused server."""
        return redis.Redis.from_url(self.url, socket_connect_timeout=5, socket_timeout=5)

    def start(self) -> Self:
        """Start it, without its data where they are those of another Redis: the ledger has all that matters."""
        try:
            return super().start()
        except ServerFailedError as error:
            if not OTHER_FORMAT.search(str(error)):
                raise
        unread = self.data.with_name("data.unread")
        shutil.rmtree(unread, ignore_errors=True)
        self.data.rename(unread)
        sys.stderr.write(
            f"Redis starts empty: {unread} was written by another Redis, which this version cannot read.\n"
        )
        return super().start()

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self) -> list[str]:
        return [str(redis_executable()), "-"]

    def configuration(self) -> bytes:
        """Give the configuration by standard input: a password on the command line is for all to read."""
        options = {
            "bind": LOOPBACK,
            "port": self.port,
            "requirepass": self.password,
            "dir": f'"{self.data}"',
            "appendonly": "yes" if self.durable else "no",
            "save": '""',
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{key} {value}\n" for key, value in options.items()).encode()

    def answers(self) -> bool:
        try:
            with self.connect() as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):  # refused, or still loading its data
            return False
