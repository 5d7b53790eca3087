"""The address of a job's log lines, wherever logs go: a template, with names in braces for what differs from job to job."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from offbeat.variables.values import address

# The last two are milliseconds since 1970, which some log services count in.
NAMES = ("job", "task", "from", "to", "from_ms", "to_ms")
KNOWN = re.compile("{(" + "|".join(NAMES) + ")}")


def logs_address(value: str) -> str:
    """Return the template. Raises ValueError, with what would be right."""
    template = address(["https", "http"])(value)
    if found := re.search(r"\{[^{}]*\}?|\}", KNOWN.sub("", template)):
        names = ", ".join(f"{{{name}}}" for name in NAMES)
        raise ValueError(
            f"{found[0][:40]} stands for nothing: use {names}, and write other braces as %7B and %7D"
        )
    if "{job}" not in template:
        raise ValueError("should have {job} in it, which stands for the job's id")
    if KNOWN.search(urlsplit(template).netloc):
        raise ValueError("the host's name should be there, and nothing in braces as a part of it")
    if "@" in urlsplit(template).netloc:
        raise ValueError("everybody who sees a job sees it: remove user and password")
    return template
