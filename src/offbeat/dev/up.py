"""`./run up`: everything on this machine that the platform runs for us elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack

from offbeat.deployment.spec import PlatformError
from offbeat.dev.announcement import announce_in_background
from offbeat.dev.claim import Claim
from offbeat.dev.commands import commands
from offbeat.dev.embedded import ServerFailedError
from offbeat.dev.environments import development
from offbeat.dev.preparation import RefusedError, check_port, check_redis, mail_sink, prepare, take
from offbeat.dev.processes import Processes
from offbeat.dev.servers import CHECKOUT, FOLDER, MANAGE, needed_servers
from offbeat.dev.stop_signals import Stopped, raise_when_asked_to_stop
from offbeat.dev.with_servers import shell_code
from offbeat.env import Environment

# What the processes of another terminal need to know: `./run manage` asks for it.
SHARED = ("DATABASE_URL", "REDIS_URL", "PORT", "BASE_URL", "EMAIL_HOST", "EMAIL_PORT", "EMAIL_USE_TLS")


def main() -> int:
    """Run until somebody or something stops it; returns the exit code: 130 for Ctrl-C, 143 for SIGTERM."""
    raise_when_asked_to_stop()
    os.chdir(CHECKOUT)
    try:
        return up()
    except ServerFailedError as error:
        return refuse(str(error), os.EX_UNAVAILABLE)
    except PlatformError as error:
        return refuse(str(error), os.EX_CONFIG)
    except RefusedError as error:
        return refuse(str(error), error.code)
    except Stopped as stopped:
        sys.stdout.write("Everything has stopped.\n")
        return stopped.code


def up() -> int:
    """Start the servers, then the processes; stop them in reverse order, whatever ends us."""
    environment = development(os.environ)
    processes = commands(environment)
    with ExitStack() as stack:
        claim = stack.enter_context(Claim(FOLDER, "up"))
        take(claim)
        check_port(environment)
        environment |= stack.enter_context(needed_servers(environment))
        check_redis(environment)
        if not Environment(environment).is_set("EMAIL_HOST"):
            environment |= mail_sink()
            processes["mail"] = [*MANAGE, "mailsink"]
        prepare(environment)
        claim.publish({name: environment[name] for name in SHARED if name in environment})
        return run(stack.enter_context(Processes(environment)), processes)


def run(processes: Processes, commands: dict[str, list[str]]) -> int:
    """Start the processes and wait; returns when one of them has ended, with its exit code or 1."""
    grace = Environment(processes.environment).integer("WORKER_GRACE", 10)
    for name, command in commands.items():
        processes.start(name, command, grace=grace + 2)
    announce_in_background(processes, processes.environment)
    ended = processes.wait()
    code = shell_code(ended.process.returncode)
    processes.say(f"{ended.name} ended with exit code {code}: stopping the others.")
    return code or 1


def refuse(message: str, code: int) -> int:
    sys.stderr.write(f"Error: {message}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
