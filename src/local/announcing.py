"""Tells which addresses to open, as soon as the page answers and not before."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from local.demo_user import NAME, PASSWORD
from local.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.processes import Processes

PAGES = {
    "/": "the newsletter",
    "/local/mail/": "every mail that it sends",
    "/ops/": "jobs and cronjobs",
    "/admin/": "the tables",
}
PAUSE = 0.2  # seconds between two looks
ANSWER = 10  # seconds that a page may take


def announce_in_background(processes: Processes, environment: Mapping[str, str]) -> None:
    port = environment["PORT"]
    threading.Thread(target=_announce, args=(processes, port), daemon=True).start()


def _announce(processes: Processes, port: str) -> None:
    while _status(f"http://{LOOPBACK}:{port}/healthz") != 200:
        time.sleep(PAUSE)
    pages = {path: what for path, what in PAGES.items() if _status(f"http://{LOOPBACK}:{port}{path}") < 400}
    lines = [f"http://localhost:{port}{path:14} {what}" for path, what in pages.items()]
    lines.append(f'Sign in as "{NAME}" with the password "{PASSWORD}". Ctrl-C stops everything.')
    processes.say("\n".join(["", *lines, ""]))


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=ANSWER) as answer:  # noqa: S310  an address of our own
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 599  # nobody listens yet
