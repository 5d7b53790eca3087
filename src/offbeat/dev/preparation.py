"""What must be right, and done, before the processes of `./run up` start."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import redis

from offbeat.dev.child_processes import end_by_force, family, start_child
from offbeat.dev.ports import LOOPBACK, is_free
from offbeat.dev.refusal import RefusedError
from offbeat.dev.stop_signals import undisturbed
from offbeat.dev.with_servers import shell_code
from offbeat.env import Environment, redacted
from offbeat.variables import redis_client, redis_url
from offbeat.variables.certificate_authority import authority_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from offbeat.dev.claim import Claim

GO_ON = b"the servers answer\n"
BACKLOG = 128  # connections that wait while the site starts


def take(claim: Claim) -> None:
    """Become the one that runs this checkout's servers; raises RefusedError."""
    if claim.take():
        return
    owner = claim.owner()
    who = f"./run {owner.task} (pid {owner.pid})" if owner else "Another process"
    raise RefusedError(
        f"{who} already runs the servers of this checkout. Hint: stop it first.", os.EX_TEMPFAIL
    )


def listen(environment: Mapping[str, str]) -> socket.socket:
    """Listen on PORT, for the site that takes over; raises RefusedError when somebody else does, or it is no port."""
    env = Environment(environment)
    port = env.integer("PORT", 8000, minimum=1, maximum=65535)
    if env.problems:
        raise RefusedError(env.problems[0], os.EX_CONFIG)
    try:
        return socket.create_server((LOOPBACK, port), backlog=BACKLOG)
    except PermissionError as error:
        raise RefusedError(
            f"Port {port}: {error.strerror}. Hint: PORT=8000 ./run up", os.EX_TEMPFAIL
        ) from None
    except OSError:
        nearby = range(port + 1, min(port + 1000, 65536))
        other = next((each for each in nearby if is_free(each)), 8000)
        raise RefusedError(
            f"Port {port} is used by another program. Hint: PORT={other} ./run up", os.EX_TEMPFAIL
        ) from None


def check_redis(environment: Mapping[str, str]) -> None:
    """Raise RefusedError when REDIS_URL does not answer; PostgreSQL tells by itself while it migrates."""
    env = Environment(environment)
    url = env.parsed("REDIS_URL", redis_url.form, "")
    if not url and env.is_set("BROKER_URL"):
        return
    verify = env.boolean("REDIS_TLS_VERIFY", default=True) if env.is_set("REDIS_TLS_VERIFY") else None
    authority = env.parsed("REDIS_CA", authority_file, "")
    if env.problems:
        return  # the settings say it better
    try:
        at = redis_url.read(url, verify=verify, authority=authority, tell=_refuse)
        with at.connect(socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
            problem = redis_client.cluster_problem(client)
    except ValueError:
        return  # the settings say it better
    except (redis.RedisError, OSError) as error:
        said = str(error).rstrip(".")
        message = f"REDIS_URL ({redacted(url)}) does not answer: {said}. Hint: unset it and DATABASE_URL for embedded servers."
        raise RefusedError(message, os.EX_UNAVAILABLE) from None
    if problem:
        raise RefusedError(f"REDIS_URL ({redacted(url)}) is a cluster. {problem}.", os.EX_CONFIG)


def _refuse(problem: str) -> NoReturn:
    raise ValueError(problem)


@contextmanager
def begin_preparation(
    environment: Mapping[str, str], *, with_demo_user: bool
) -> Iterator[Callable[[], None]]:
    """Load the project while the servers start. What it gives, called when they answer, migrates and makes the demo user.

    That raises RefusedError where it fails, which has been reported.
    """
    demo_user = ["--demo-user"] if with_demo_user else []
    with load_project(["--wait", "--migrate", *demo_user], environment, output=None) as child:

        def prepare() -> None:
            child.communicate(GO_ON)
            if child.returncode:
                raise RefusedError("", shell_code(child.returncode))

        yield prepare


def check_code(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Load the project in a process of its own; give its exit code, and what it printed."""
    with load_project(arguments, environment, output=subprocess.PIPE) as child:
        said, _ = child.communicate()
    return shell_code(child.returncode), (said or b"").decode(errors="replace").strip()


@contextmanager
def load_project(
    arguments: list[str], environment: Mapping[str, str], *, output: int | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Give the process that loads the project; it is gone when the block is left."""
    child = None
    try:
        with undisturbed():
            child = start_child(
                [sys.executable, "-m", "offbeat.dev.code_check", *arguments],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output and subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us
            )
        yield child
    finally:
        if child:
            end_by_force(family(child))
            child.wait()
