"""What must be right, and done, before the processes of `./run up` start."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, NoReturn

import redis

from offbeat.dev.child_processes import end_by_force, family, start_child
from offbeat.dev.ports import LOOPBACK, free_port, is_free
from offbeat.dev.servers import MANAGE
from offbeat.dev.stop_signals import undisturbed
from offbeat.dev.with_servers import shell_code
from offbeat.env import Environment, redacted
from offbeat.variables import redis_url
from offbeat.variables.certificate_authority import authority_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.dev.claim import Claim


class RefusedError(Exception):
    """Nothing was started: show the message, exit with the code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def take(claim: Claim) -> None:
    """Become the one that runs this checkout's servers; raises RefusedError."""
    if claim.take():
        return
    owner = claim.owner()
    who = f"./run {owner.task} (pid {owner.pid})" if owner else "Another process"
    raise RefusedError(
        f"{who} runs the servers of this checkout already. Hint: stop it first.", os.EX_TEMPFAIL
    )


def check_port(environment: Mapping[str, str]) -> None:
    """Raise RefusedError when somebody listens on PORT, or it is no port."""
    env = Environment(environment)
    port = env.integer("PORT", 8000, minimum=1, maximum=65535)
    if env.problems:
        raise RefusedError(env.problems[0], os.EX_CONFIG)
    if not is_free(port):
        nearby = range(port + 1, min(port + 1000, 65536))
        other = next((each for each in nearby if is_free(each)), 8000)
        raise RefusedError(
            f"Port {port} is taken by another program. Hint: PORT={other} ./run up", os.EX_TEMPFAIL
        )


def check_redis(environment: Mapping[str, str]) -> None:
    """Raise RefusedError when REDIS_URL does not answer; PostgreSQL tells by itself while it migrates."""
    env = Environment(environment)
    url = env.url("REDIS_URL", ["redis", "rediss"], default="")
    verify = env.boolean("REDIS_TLS_VERIFY", default=True) if env.is_set("REDIS_TLS_VERIFY") else None
    authority = env.parsed("REDIS_CA", authority_file, "")
    if env.problems:
        return  # the settings say it better
    try:
        at = redis_url.read(url, verify=verify, authority=authority, tell=_refuse)
        with redis.Redis.from_url(at.url, socket_connect_timeout=5, socket_timeout=5, **at.tls) as client:
            client.ping()
    except ValueError:
        return  # the settings say it better
    except (redis.RedisError, OSError) as error:
        said = str(error).rstrip(".")
        message = (
            f"REDIS_URL ({redacted(url)}) does not answer: {said}. Hint: unset it for an embedded Redis."
        )
        raise RefusedError(message, os.EX_UNAVAILABLE) from None


def _refuse(problem: str) -> NoReturn:
    raise ValueError(problem)


def mail_sink() -> dict[str, str]:
    """Give the settings that send every mail to `manage.py mailsink`."""
    return {"EMAIL_HOST": LOOPBACK, "EMAIL_PORT": str(free_port()), "EMAIL_USE_TLS": "false"}


def prepare(environment: Mapping[str, str]) -> None:
    """Migrate, and make the demo user; raises RefusedError with what the command said and its exit code."""
    manage(["migrate", "--verbosity", "0"], environment)
    if Environment(environment).boolean("DEBUG", default=False):
        manage(["create_demo_user"], environment)


def manage(arguments: list[str], environment: Mapping[str, str]) -> None:
    child = None
    try:
        with undisturbed():
            child = start_child(
                [*MANAGE, *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us
            )
        output, _ = child.communicate()
    finally:
        if child:
            end_by_force(family(child))
            child.wait()
    if child.returncode:
        said = output.decode(errors="replace").strip().removeprefix("Error: ")
        raise RefusedError(said or f"manage.py {arguments[0]} failed", shell_code(child.returncode))
