"""The processes of `./run up`: the services of platform.yaml, and local replacements for what the platform does elsewhere."""

from __future__ import annotations

import http.client
import sys
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from offbeat.deployment.rules import programs, runs_celery
from offbeat.deployment.spec import read
from offbeat.dev.launch import READY_FILE, Launch
from offbeat.dev.ports import LOOPBACK
from offbeat.dev.servers import FOLDER, MANAGE
from offbeat.env import Environment

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from offbeat.deployment.spec import Service

ANSWER = 10  # seconds that the site's answer may take
UNDER_RELOADER = "UNDER_RELOADER"  # a service that has it need not watch files by itself


def launches(environment: Mapping[str, str], listener: socket.socket) -> dict[str, Launch]:
    """Give how each process is started, by its name. Raises PlatformError."""
    found = {each.name: service_launch(each, environment, listener) for each in read().services}
    if not any(each.sockets for each in found.values()):
        listener.close()  # the site listens by itself
    # It reads platform.yaml again by itself, and each command that it runs is a new process.
    found["cron"] = Launch([*MANAGE, "localcron"], environment, reads=is_of_the_core)
    return found


def mail_launch(environment: Mapping[str, str]) -> Launch:
    return Launch([sys.executable, "-m", "offbeat.dev.mail_sink"], environment, reads=is_of_the_core)


def is_of_the_core(name: str) -> bool:
    return name.startswith("src/offbeat/")


def service_launch(service: Service, environment: Mapping[str, str], listener: socket.socket) -> Launch:
    """Give how a service is started, with what a developer needs: no port is open to the network."""
    grace = Environment(environment).integer("WORKER_GRACE", 10) + 2
    own = dict(environment) | {UNDER_RELOADER: "true"}
    if service.port:
        is_gunicorn = {"gunicorn", "gunicorn.py"} & set(programs(service.command))
        # It takes connections from our socket, so browsers wait while it restarts.
        sockets = (listener.fileno(),) if is_gunicorn and listener.fileno() >= 0 else ()
        place = f"fd://{sockets[0]}" if sockets else f"{LOOPBACK}:{environment['PORT']}"
        command = [*service.argv, *(["--bind", place] if is_gunicorn else [])]
        return Launch(command, own, grace, sockets, is_ready=partial(answers, environment["PORT"]))
    if not runs_celery(service.command):
        return Launch(service.argv, own, grace)
    ready = FOLDER / f"{service.name}-ready"
    own |= {"OFFBEAT_JOBS_HEARTBEAT_FILE": str(FOLDER / f"{service.name}-heartbeat"), READY_FILE: str(ready)}
    forget = partial(ready.unlink, missing_ok=True)
    return Launch(service.argv, own, grace, prepare=forget, is_ready=ready.exists)


def answers(port: str) -> bool:
    """Whether the site is well; urllib would ask a proxy that the environment names."""
    with closing(http.client.HTTPConnection(LOOPBACK, int(port), timeout=ANSWER)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
