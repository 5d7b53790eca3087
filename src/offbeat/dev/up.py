"""`./run up`: everything on this machine that the platform runs for us elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from offbeat.deployment.spec import PlatformError, read
from offbeat.dev.announcement import announcement
from offbeat.dev.claim import Claim
from offbeat.dev.embedded import ServerFailedError
from offbeat.dev.environments import development
from offbeat.dev.local_setup import LocalSetup
from offbeat.dev.local_variables import typed_variables
from offbeat.dev.preparation import begin_preparation, check_redis, listen, take
from offbeat.dev.processes import Processes
from offbeat.dev.readiness import Readiness
from offbeat.dev.refusal import RefusedError
from offbeat.dev.servers import CHECKOUT, FOLDER, missing_servers, start_servers
from offbeat.dev.shared_servers import FLAG, agree
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop
from offbeat.dev.supervisor import Supervisor
from offbeat.env import Environment

if TYPE_CHECKING:
    from collections.abc import Sequence

# What the processes of another terminal need to know: `./run manage` asks for it.
SHARED = ("DATABASE_URL", "REDIS_URL", "PORT", "BASE_URL", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS")


ACT = "./run up migrates that database, and its worker takes the jobs that wait there"


def main(arguments: Sequence[str] = ()) -> int:
    """Run until somebody or something stops it; returns the exit code: 130 for Ctrl-C, 143 for SIGTERM."""
    parser = argparse.ArgumentParser(prog="./run up", description="Start everything, until Ctrl-C.")
    parser.add_argument(FLAG, action="store_true", help="also on servers that others use")
    options = parser.parse_args(arguments)
    os.chdir(CHECKOUT)
    try:
        raise_when_asked_to_stop()
        return up(may_share=options.shared_servers)
    except (ServerFailedError, OSError) as error:
        return refuse(str(error), os.EX_UNAVAILABLE)
    except PlatformError as error:
        return refuse(str(error), os.EX_CONFIG)
    except RefusedError as error:
        return refuse(str(error), error.code)
    except Stopped as stopped:
        sys.stdout.write("Everything has stopped.\n")
        return stopped.code


def up(*, may_share: bool) -> int:
    """Start the servers, then the processes; stop them in reverse order, whatever ends us."""
    environment = development(os.environ)
    if not Environment(environment).boolean("DEBUG", default=False):
        raise RefusedError(
            "DEBUG is not true: ./run up is for development only. Hint: unset it.", os.EX_CONFIG
        )
    is_shared = agree(environment, ACT, f"./run up {FLAG}", is_agreed=may_share)
    with ExitStack() as stack:
        claim = stack.enter_context(Claim(FOLDER, "up"))
        take(claim)
        listener = stack.enter_context(listen(environment))
        read()  # before anything starts
        servers = missing_servers(environment)
        addresses = {name: server.url for name, server in servers.items()}
        setup = LocalSetup(typed_variables(os.environ), listener, addresses)
        environment = setup.environment()
        with begin_preparation(environment, with_demo_user=not is_shared) as prepare:
            stack.enter_context(start_servers(servers, say))
            check_redis(environment)
            prepare()
        claim.publish({name: environment[name] for name in SHARED if name in environment})
        processes = stack.enter_context(Processes(environment))
        readiness = Readiness(processes, announcement(environment, has_demo_user=not is_shared))
        return Supervisor(processes, setup, readiness, servers.values()).run()


def say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def refuse(message: str, code: int) -> int:
    sys.stderr.write(f"Error: {message}\n" if message else "")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
