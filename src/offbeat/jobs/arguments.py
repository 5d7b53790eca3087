"""What a job may be called with: JSON, checked where `enqueue` is called and not an hour later in a worker."""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HINTS = {
    "datetime": "pass its isoformat()",
    "date": "pass its isoformat()",
    "time": "pass its isoformat()",
    "timedelta": "pass its total_seconds()",
    "UUID": "pass str() of it",
    "Decimal": "pass str() of it",
    "PosixPath": "pass str() of it",
    "__proxy__": "pass str() of it",  # a lazy translation
    "set": "pass a sorted list",
    "frozenset": "pass a sorted list",
    "bytes": "pass its decode()",
}
FITTING = {
    "pk": "pass the primary key of a row",
    "value": "pass its value",
    "item": "pass its item()",
}  # rows, enums, numpy


# Digits of a whole number: Python reads no longer ones, unless a process says so, and a worker may not.
LONGEST_INT = 4300
SURELY_SHORTER = 2_000  # bits; whoever has lowered Python's limit has left 640 digits at least
DEEPEST = 100  # levels of lists and dicts; readers of JSON end in a RecursionError somewhere below 1,000


class ArgumentError(TypeError):
    """An argument is not JSON. Pass what JSON has (str, int, float, bool, None, lists, dicts), such as the primary key of a row."""


def encode_arguments(task: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str, str]:
    """Return positional and keyword arguments as JSON texts; raise ArgumentError naming the one that is not JSON."""
    for index, value in enumerate(args):
        _check(task, f"argument {index + 1}", value)
    for name, value in kwargs.items():
        _check(task, f'argument "{name}"', value)
    return json.dumps(list(args)), json.dumps(dict(kwargs))


# Characters: a result is part of its job's row, which is read whole.
LARGEST_RESULT = 1_000_000


def encode_result(task: str, value: Any) -> str:
    """Return what a task returned as JSON; raise ArgumentError naming the place that is not JSON, ValueError for too much."""
    _check(task, "its result", value)
    text = json.dumps(value)
    if len(text) > LARGEST_RESULT:
        raise ValueError(
            f"{task}: its result is {len(text):,} characters of JSON, at most {LARGEST_RESULT:,} are kept. "
            "Hint: store it in a table or a file, and return its key."
        )
    return text


def _check(task: str, where: str, value: Any, depth: int = 0) -> None:
    problem = _problem(value) if depth < DEEPEST else f"is nested more than {DEEPEST} levels deep"
    where = where if depth < DEEPEST else f"{where[:60]}…"
    if problem:
        raise ArgumentError(f"{task}: {where} {problem}.")
    if isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(task, f"{where}[{index}]", item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check(task, f"{where}[{name!r}]", item, depth + 1)


def _problem(value: Any) -> str:
    """Return what keeps a value, apart from its items, from being JSON; "" for nothing."""
    if isinstance(value, str):
        return text_problem(value)
    if isinstance(value, int | float):
        return _number_problem(value)
    if isinstance(value, dict):
        odd = [name for name in value if not isinstance(name, str)]
        if odd:
            return f"has the key {_shown(odd[0])}, which JSON would turn into text"
        return next(filter(None, map(text_problem, value)), "")
    if value is None or isinstance(value, list | tuple):
        return ""
    kind = type(value).__name__
    fitting = (hint for name, hint in FITTING.items() if hasattr(value, name))
    hint = HINTS.get(kind) or next(fitting, "pass a JSON value")
    return f"is a {kind}, which JSON does not have: {hint}"


def _shown(key: Any) -> str:
    """Return a key for a message; of a number that is too long to be written there is no text."""
    try:
        return repr(key)
    except ValueError:
        return f"of type {type(key).__name__}"


def _number_problem(number: float) -> str:
    if isinstance(number, float):
        return "" if math.isfinite(number) else f"is {number}, which JSON does not have"
    digits = min(LONGEST_INT, sys.get_int_max_str_digits() or LONGEST_INT)
    if number.bit_length() <= SURELY_SHORTER or abs(number) < 10**digits:
        return ""
    return f"is a number of more than {digits} digits, which Python cannot read: pass it in hex()"


def text_problem(text: str) -> str:
    if "\x00" in text:
        return "contains a NUL character, which PostgreSQL cannot store"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains half a character (a surrogate), which PostgreSQL cannot store"
    return ""
