"""How a process presents itself to PostgreSQL: whose it is, what it is, where it runs."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from offbeat.identity import platform_name

OURS = re.compile(r" \(\d+\)$")
LONGEST = 63  # bytes of an application_name; PostgreSQL cuts off what is longer


def application_name(act: str = "") -> str:
    """Return ``corner-shop/gunicorn on web-7f9c (17)``: project, process, host and pid. If it is too long, the host is cut."""
    begin, end = f"{platform_name()}/{act or process()} on ", f" ({os.getpid()})"
    host = platform.node().encode("ascii", "replace").decode()
    return f"{begin[: LONGEST - len(end)]}{host[: max(0, LONGEST - len(begin) - len(end))]}{end}"


def name_process(database: Any) -> None:
    """Name the sessions that this process opens from now on, unless DATABASE_URL has given them a name."""
    options = database.setdefault("OPTIONS", {})
    if OURS.search(options.get("application_name", " (0)")):
        options["application_name"] = application_name()


def process() -> str:
    """Return what was started: ``gunicorn``, ``celery``, ``manage.py release``."""
    program = Path(sys.argv[0])
    return " ".join([program.name, *sys.argv[1:2]]) if program.name == "manage.py" else program.stem
