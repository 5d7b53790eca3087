"""Says which addresses to open, as soon as the page answers and not before."""

from __future__ import annotations

import http.client
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

from offbeat.dev.demo_user import NAME, PASSWORD
from offbeat.dev.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.dev.processes import Processes

PAGES = {
    "/": "the site",
    "/ops/": "what runs, waits and failed",
    "/local/mail/": "every mail that it sends",
}
PAUSE = 0.2  # seconds between two looks
ANSWER = 10  # seconds that the answer may take


def announce_in_background(processes: Processes, environment: Mapping[str, str]) -> None:
    pages = PAGES | {f"/{environment.get('ADMIN_PATH', 'admin').strip('/')}/": "the tables"}
    threading.Thread(target=_announce, args=(processes, environment["PORT"], pages), daemon=True).start()


def _announce(processes: Processes, port: str, pages: Mapping[str, str]) -> None:
    while not _answers(int(port)):
        time.sleep(PAUSE)
    lines = [f"http://localhost:{port}{path:13} {what}" for path, what in pages.items()]
    lines.append(f'Sign in as "{NAME}" with the password "{PASSWORD}". Ctrl-C stops everything.')
    processes.say("\n".join(["", *lines, ""]))


def _answers(port: int) -> bool:
    """Whether the site is well; urllib would ask a proxy that the environment names."""
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=ANSWER)) as connection:
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
