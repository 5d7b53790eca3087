"""Servers that may be another's: nobody migrates them, or takes their jobs, unasked."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import dj_database_url
import psutil  # type: ignore[import-untyped]
import psycopg

from offbeat.dev.named_servers import EMBEDDED, NamedServer, named_servers
from offbeat.dev.refusal import RefusedError
from offbeat.env import Environment

if TYPE_CHECKING:
    from collections.abc import Mapping

FLAG = "--shared-servers"
SILENT = 45  # seconds without a heartbeat after which a worker is lost, as in jobs/conf.py
WORKERS = (
    "SELECT hostname, pid FROM offbeat_jobs_worker WHERE heartbeat_at > now() - %s * interval '1 second'"
)


def agree(environment: Mapping[str, str], act: str, flag: str, *, is_agreed: bool) -> bool:
    """Return whether the servers are somebody else's too, who has been asked; `act` is what would happen to them.

    Raises RefusedError without a yes: on a terminal by a question, anywhere else by the flag.
    """
    servers = named_servers(environment)
    if not servers:
        return False
    reason = reason_to_ask(servers, environment)
    listed = ", ".join(map(str, servers))
    if not reason:
        sys.stderr.write(f"Using {listed}.\n")
        return False
    if is_agreed:
        sys.stderr.write(f"Using {listed}: {reason}.\n")
        return True
    question = f"DATABASE_URL and REDIS_URL name {listed}: {reason}. {act}."
    if not sys.stdin.isatty():
        hint = f"Hint: {flag} if that is what you want; otherwise {EMBEDDED}."
        raise RefusedError(f"{question} {hint}", os.EX_USAGE)
    sys.stderr.write(f"{question}\nGo on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise RefusedError(f"Nothing was started. Hint: {EMBEDDED}.", os.EX_USAGE)
    return True


def reason_to_ask(servers: list[NamedServer], environment: Mapping[str, str]) -> str:
    """Return why the servers may be another's; nothing where they are this machine's, and nobody's worker is there."""
    if away := [server.name for server in servers if not server.is_here]:
        verb = "is" if len(away) == 1 else "are"
        return f"{' and '.join(away)} {verb} not on this machine"
    if workers := other_workers(environment):
        return f"workers run there already ({', '.join(workers)})"
    return ""


def other_workers(environment: Mapping[str, str]) -> list[str]:
    """Return the workers of the ledger in that database; one of this machine that was killed a moment ago is none."""
    settings = dj_database_url.parse(Environment(environment).url("DATABASE_URL", ["postgres", "postgresql"]))
    names = {"HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password", "NAME": "dbname"}
    given = {ours: settings[theirs] for theirs, ours in names.items() if settings.get(theirs)}  # type: ignore[literal-required]
    try:
        with psycopg.connect(**given, connect_timeout=5) as connection:
            found = connection.execute(WORKERS, [SILENT]).fetchall()
    except psycopg.Error:  # no ledger; or it does not answer, which migrating reports
        return []
    here = socket.gethostname()
    return [f"{host}, pid {pid}" for host, pid in found if host != here or psutil.pid_exists(pid)]
