"""Tells which addresses to open, as soon as the page answers and not before."""

from __future__ import annotations

import threading
import time
import urllib.request
from typing import TYPE_CHECKING

from local.demo_user import NAME, PASSWORD
from local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.processes import Processes

PAGES = {
    "/": "the site",
    "/ops/": "what runs, waits and went wrong",
    "/local/mail/": "every mail that it sends",
    "/admin/": "the tables",
}
PAUSE = 0.2  # seconds between two looks
ANSWER = 10  # seconds that the answer may take


def announce_in_background(processes: Processes, environment: Mapping[str, str]) -> None:
    port = environment["PORT"]
    threading.Thread(target=_announce, args=(processes, port), daemon=True).start()


def _announce(processes: Processes, port: str) -> None:
    while not _answers(f"http://{LOOPBACK}:{port}/healthz"):
        time.sleep(PAUSE)
    lines = [f"http://localhost:{port}{path:13} {what}" for path, what in PAGES.items()]
    lines.append(f'Sign in as "{NAME}" with the password "{PASSWORD}". Ctrl-C stops everything.')
    processes.say("\n".join(["", *lines, ""]))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER):  # noqa: S310  an address of our own
            return True
    except OSError:
        return False
