"""The embedded servers that a run needs: those whose variable is not set."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from offbeat.dev.embedded_postgres import EmbeddedPostgres
from offbeat.dev.embedded_redis import EmbeddedRedis
from offbeat.env import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from offbeat.dev.embedded import EmbeddedServer

CHECKOUT = Path(__file__).resolve().parents[3]
# Written by `./run fork`: here the core is used, and not made.
IS_FORK = (CHECKOUT / "offbeat.toml").is_file()
FOLDER = Path(os.environ.get("LOCAL_DIR") or CHECKOUT / ".local")
MANAGE = [sys.executable, str(CHECKOUT / "manage.py")]


@contextmanager
def needed_servers(environment: Mapping[str, str], folder: Path = FOLDER) -> Iterator[dict[str, str]]:
    """Start PostgreSQL, and Redis as the broker, where no variable names one; gives the variables to add."""
    missing = missing_servers(environment, folder)
    with start_servers(missing):
        yield {name: server.url for name, server in missing.items()}


def missing_servers(environment: Mapping[str, str], folder: Path = FOLDER) -> dict[str, EmbeddedServer]:
    """Give the servers that no variable names, by their variable. Each has its address before it starts."""
    servers: dict[str, EmbeddedServer] = {"DATABASE_URL": EmbeddedPostgres(folder / "postgres")}
    if not Environment(environment).is_set("BROKER_URL"):
        servers["REDIS_URL"] = EmbeddedRedis(folder / "redis")
    return {name: server for name, server in servers.items() if not Environment(environment).is_set(name)}


@contextmanager
def start_servers(
    servers: Mapping[str, EmbeddedServer], say: Callable[[str], object] = lambda _: None
) -> Iterator[None]:
    """Start them, and say so; stop them in reverse order."""
    with ExitStack() as stack:
        for server in servers.values():
            say(f"Starting {server.name}{'' if server.data.exists() else ', for the first time'} ...")
            stack.enter_context(server)
        yield
