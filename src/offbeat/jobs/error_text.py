"""What of an error is kept: a line and an excerpt of its traceback, without secrets, which PostgreSQL can store.

This is where an exception becomes text. Whatever shows or sends it later (pages, alerts, pings) has it from here.
"""

from __future__ import annotations

import traceback
from typing import Any

from offbeat.redaction import format_traceback, redact

LONGEST_LINE = 500  # characters of an error in one line
# Characters of an error that goes on to Celery, which copies its text several times, and pickles it for the worker's main
# process: its heartbeats must not wait for that.
LONGEST_RAISED = 1_000_000


def is_large(error: BaseException) -> bool:
    """Tell whether an error, with those that it comes from, says more than anybody but the ledger's excerpt should carry."""
    try:
        return len(repr(error)) + sum(map(len, traceback.format_exception(error))) > LONGEST_RAISED
    except BaseException:  # noqa: BLE001  code of the task's
        return False


def line(error: Any) -> str:
    """Return an error in one line, to be stored: its class and its message, without secrets."""
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001  code of the task's
        message = "its message cannot be shown"
    return one_line(f"{type(error).__name__}: {message}" if message.strip() else type(error).__name__)


def one_line(text: str) -> str:
    return storable(" ".join(redact(text).split())[:LONGEST_LINE])


def written_traceback(error: BaseException) -> str:
    return storable(format_traceback(error))


def path_of(kind: type) -> str:
    """Return by which path a class of errors is imported."""
    return storable(f"{kind.__module__}.{kind.__qualname__}")[:LONGEST_LINE]


def storable(text: str) -> str:
    """Return a text with what PostgreSQL cannot store (NUL, half characters) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
