"""`python -m offbeat.dev.with_servers COMMAND ...`: run a command with the servers that it needs.

They are those of `./run up` while it runs, else they live as long as the command.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from offbeat.dev.child_processes import start_child
from offbeat.dev.claim import Claim
from offbeat.dev.embedded import ServerFailedError
from offbeat.dev.environments import development
from offbeat.dev.named_servers import named_servers
from offbeat.dev.refusal import RefusedError
from offbeat.dev.servers import FOLDER, needed_servers
from offbeat.dev.shared_servers import FLAG, agree
from offbeat.dev.stop_signals import Stopped, ignore, raise_when_asked_to_stop, undisturbed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


# What a command does to servers that are somebody else's: all others only do what they are asked to.
TAKING = {
    "create_demo_user": "It makes a user there whose password everybody knows",
    "debug_worker": "The worker takes the jobs that wait there",
    "flush": "It empties that database",
    "localcron": "It runs the cronjobs there",
    "localprepare": "It migrates that database",
    "migrate": "It migrates that database",
    "release": "It migrates that database",
    "tick": "It runs the cronjobs there",
    "worker": "The worker takes the jobs that wait there",
}


def main(arguments: Sequence[str]) -> int:
    """Run the command and return its exit code; 69 when a server does not start."""
    try:
        raise_when_asked_to_stop()
        return run(arguments)
    except ServerFailedError as error:
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_UNAVAILABLE
    except OSError as error:  # a folder that is another's, or a full disk
        sys.stderr.write(f"Error: {error}\n")
        return os.EX_UNAVAILABLE
    except RefusedError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.code
    except Stopped as stopped:
        return stopped.code


def run(command: Sequence[str]) -> int:
    command, is_agreed = [word for word in command if word != FLAG], FLAG in command
    with ExitStack() as stack:
        claim = stack.enter_context(Claim(FOLDER, "manage"))
        running = None if claim.take() else claim.wait_for_servers()
        ask(command, running or {}, is_agreed=is_agreed)
        if running is not None:
            return call(command, development(running | set_by_hand()))
        environment = development(os.environ)
        addresses = stack.enter_context(needed_servers(environment))
        claim.publish(addresses)
        return call(command, environment | addresses)


def ask(command: Sequence[str], running: Mapping[str, str], *, is_agreed: bool) -> None:
    """Raise RefusedError where the command would take servers that are somebody else's, or lose jobs between two of them.

    Of those that ./run up uses it has been asked.
    """
    if "manage.py" not in command or all(
        running.get(name) == os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL")
    ):
        return
    if (name := command[command.index("manage.py") + 1 :][:1]) and name[0] in TAKING:
        agree(os.environ, TAKING[name[0]], f"the same with {FLAG}", is_agreed=is_agreed)
    else:
        named_servers(os.environ)


def set_by_hand() -> dict[str, str]:
    """Give the variables of the terminal: they win over those of a running ./run up."""
    return {name: value for name, value in os.environ.items() if value}


def call(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in the foreground; a signal that stops us stops it first."""
    ignore(signal.SIGINT)  # the terminal sends Ctrl-C to the command as well: it decides
    child = None
    try:
        with undisturbed():
            child = start_child(command, env=environment)
        return shell_code(child.wait())
    except Stopped:
        if child:
            child.terminate()
            child.wait()
        raise


def shell_code(returncode: int) -> int:
    """Give the exit code as shells count it: 128 + number for a process that a signal ended."""
    return 128 - returncode if returncode < 0 else returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
