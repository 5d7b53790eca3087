"""How a process presents itself to PostgreSQL: whose it is, what it is, where it runs."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from offbeat.identity import platform_name

LONGEST = 63  # bytes of an application_name; PostgreSQL cuts off what is longer


def application_name(act: str = "") -> str:
    """Return ``corner-shop/gunicorn on web-7f9c (17)``: project, process, host and pid. Of a name that is too long the host is cut."""
    begin, end = f"{platform_name()}/{act or process()} on ", f" ({os.getpid()})"
    host = platform.node().encode("ascii", "replace").decode()
    return f"{begin[: LONGEST - len(end)]}{host[: max(0, LONGEST - len(begin) - len(end))]}{end}"


def process() -> str:
    """Return what was started: ``gunicorn``, ``celery``, ``manage.py release``."""
    program = Path(sys.argv[0]).name
    return " ".join([program, *sys.argv[1:2]]) if program == "manage.py" else program
