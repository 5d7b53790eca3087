"""What is logged, as it is printed: without secrets, of bounded length, and never more than one line of JSON.

Values come from anywhere. Whatever one is, its line is printed, and it is neither long nor able to command a terminal.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any

from offbeat import redaction

Event = MutableMapping[str, Any]

BIGGEST = 2**64  # a longer number is text: readers of JSON have none
MOST, DEEPEST, LONGEST_ITEM = (
    100,
    5,
    1_000,
)  # of what a dictionary or a list holds: items in all, levels, characters of each
# Not every key: a job's concurrency_key is what one searches for.
SECRET_NAME = re.compile(
    r"(passw(or)?d|passphrase|secret|token|(api|secret|private|access)_?key|authorization|cookie)$",
    re.IGNORECASE,
)
# Those that move a cursor, ring, colour, or turn the direction of writing; and line breaks, which forge a line.
CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def protect(logger: Any, method: str, event: Event) -> Event:
    """Make every value one that can be printed, and of an exception its traceback."""
    raised = event.pop("exc_info", None)
    texts = []
    for name, value in event.items():
        if is_secret_name(name):
            event[name] = redaction.HIDDEN
        elif type(value) is str:
            texts.append(value)
        elif not is_plain(value):
            event[name] = Printer().show(value)
    if is_unusual("\n".join(texts)):
        for name, value in event.items():
            if type(value) is str:
                event[name] = encodable(redaction.redact(value))
    if raised and (written := traceback_of(raised)):
        event["exception"] = written
    return event


def is_unusual(together: str) -> bool:
    """Tell whether one of the texts of a line is to be changed: they are looked at together, because mostly none is."""
    return (
        len(together) > redaction.LONGEST
        or redaction.hide(together) != together
        or not (together.isascii() or encodable(together) == together)
    )


def traceback_of(raised: Any) -> str:
    """Return what is printed of an exception, in each of the forms that logging takes it in."""
    info = sys.exc_info() if raised is True else raised
    error, frames = info[1:] if isinstance(info, tuple) else (info, None)
    if not isinstance(error, BaseException):
        return ""
    return encodable(redaction.format_traceback(error, frames)).rstrip()


def is_plain(value: Any) -> bool:
    """Tell whether JSON has the value as it is."""
    kind = type(value)
    if kind is int:
        return -BIGGEST < value < BIGGEST
    return value is None or kind is bool or (kind is float and math.isfinite(value))


@lru_cache(maxsize=1024)
def is_secret_name(name: str) -> bool:
    return bool(SECRET_NAME.search(name))


def encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


class Printer:
    """Turns a value that is no text into what JSON has, however large, deep or broken it is."""

    def __init__(self) -> None:
        self.left = MOST

    def show(self, value: Any, depth: int = 0) -> Any:
        self.left -= 1
        if is_plain(value):
            return value
        if isinstance(value, dict) and depth < DEEPEST:
            return {
                text_of(name): self._of(text_of(name), each, depth)
                for name, each in self._first(value.items())
            }
        if isinstance(value, list | tuple | set | frozenset) and depth < DEEPEST:
            return [self.show(each, depth + 1) for each in self._first(value)]
        return text_of(value, LONGEST_ITEM if depth else redaction.LONGEST)

    def _of(self, name: str, value: Any, depth: int) -> Any:
        return redaction.HIDDEN if is_secret_name(name) else self.show(value, depth + 1)

    def _first(self, values: Any) -> Any:
        for value in values:
            if self.left <= 0:
                return
            yield value


def text_of(value: Any, longest: int = LONGEST_ITEM) -> str:
    """Return a value as text; of one that cannot be shown, its class."""
    try:
        text = hex(value) if isinstance(value, int) and type(value) is int else str(value)
        return encodable(redaction.redact(text, longest))
    except Exception as error:  # noqa: BLE001  code of whoever logs
        return f"a {type(value).__name__} that cannot be shown: {type(error).__name__}"


def escape_controls(logger: Any, method: str, event: Event) -> Event:
    """Let nothing that is logged command a terminal; a line that goes on is indented, so that none can be forged."""
    for name, value in event.items():
        if type(value) is str and not value.isprintable():
            event[name] = CONTROLS.sub(escape, value).replace("\n", "\n  ")
    return event


def escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
