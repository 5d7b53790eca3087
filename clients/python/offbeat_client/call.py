"""A call of `offbeat_enqueue`: which values it gets, checked where PostgreSQL could not say which one is wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# By name, so that a newer function with more of them is called the same way.
TYPES = {
    "task": "text",
    "args": "jsonb",
    "kwargs": "jsonb",
    "queue": "text",
    "key": "text",
    "concurrency_key": "text",
    "when_busy": "text",
    "run_at": "timestamptz",
    "not_after": "timestamptz",
    "priority": "integer",
}
TIMES = ("run_at", "not_after")
DEEPEST = 100  # levels of lists and dicts
LONGEST_INT = 10**4300  # Python reads no longer numbers


class EnqueueError(ValueError):
    """The job cannot be enqueued as it is: the message says where, what was found and what would be right. Nothing is written."""


class KeyBusyError(Exception):
    """Another transaction is enqueueing the same key and has not ended. Nothing is written; the transaction must be rolled back.

    Try again later.
    """


def encode_call(
    task: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, **options: Any
) -> tuple[str, dict[str, Any]]:
    """Return the statement with psycopg's placeholders, and its values: for who has another way to execute it.

    Raises EnqueueError for an argument that is not JSON, a text that PostgreSQL cannot store, and a time without a zone.
    """
    if unknown := sorted(options.keys() - TYPES.keys()):
        raise EnqueueError(
            f"{task}: there is no option {unknown[0]}. There are: {', '.join(list(TYPES)[3:])}."
        )
    for name, value in ({"task": task} | options).items():
        if problem := _option_problem(name, value):
            raise EnqueueError(f"{task}: {name} {problem}.")
    if isinstance(args, str | bytes) or not isinstance(
        args, Sequence
    ):  # of a text, list() would make letters
        raise EnqueueError(f"{task}: args should be a list or a tuple, got a {type(args).__name__}.")
    if not isinstance(kwargs, Mapping | None):
        raise EnqueueError(f"{task}: kwargs should be a dict, got a {type(kwargs).__name__}.")
    if others := [name for name in kwargs or {} if not isinstance(name, str)]:
        raise EnqueueError(f"{task}: kwargs has the name {others[0]!r:.40}, which should be a text.")
    values = {"task": task, "args": _encode(task, list(args)), "kwargs": _encode(task, dict(kwargs or {}))}
    values |= {name: value for name, value in options.items() if value is not None}
    named = ", ".join(f"{name} => %({name})s::{TYPES[name]}" for name in values)
    return f"SELECT offbeat_enqueue({named})", values  # noqa: S608  names of TYPES


def _option_problem(name: str, value: Any) -> str:
    if value is None:
        return "" if name != "task" else "should be the name of a task, got None"
    if name in TIMES:
        return (
            ""
            if isinstance(value, datetime) and value.utcoffset() is not None
            else f"should be a datetime with a time zone, got {value!r}"
        )
    if name == "priority":
        is_whole = isinstance(value, int) and not isinstance(value, bool) and -100 <= value <= 100
        return "" if is_whole else f"should be a whole number from -100 to 100, higher first, got {value!r}"
    return _text_problem(value) if isinstance(value, str) else f"should be a text, got {value!r}"


def _encode(task: str, arguments: list[Any] | dict[str, Any]) -> str:
    for where, value in _named(arguments):
        for place, problem in _problems(where, value):
            raise EnqueueError(f"{task}: {place} {problem}.")
    return json.dumps(arguments)


def _named(arguments: list[Any] | dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(arguments, list):
        return ((f"argument {number}", value) for number, value in enumerate(arguments, start=1))
    return ((f'argument "{name}"', value) for name, value in arguments.items())


def _problems(where: str, value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Give each place that JSON, PostgreSQL or a worker could not take, with the reason."""
    if depth >= DEEPEST:
        yield f"{where[:60]}…", f"is nested more than {DEEPEST} levels deep"
    elif isinstance(value, str):
        if problem := _text_problem(value):
            yield where, problem
    elif isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str):
                yield where, f"has the key {name!r}, which JSON would turn into text"
            elif problem := _text_problem(name):
                yield where, problem
            yield from _problems(f"{where}[{name!r}]", item, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _problems(f"{where}[{index}]", item, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield where, f"is {value}, which JSON does not have"
    elif isinstance(value, int) and abs(value) >= LONGEST_INT:
        yield where, "is a number of more than 4300 digits, which Python cannot read: pass it in hex()"
    elif not isinstance(value, int | float | None):
        yield where, f"is a {type(value).__name__}, which JSON does not have: pass a text or a number"


def _text_problem(text: str) -> str:
    if "\x00" in text:
        return "contains a NUL character, which PostgreSQL cannot store"
    if any("\ud800" <= character <= "\udfff" for character in text):
        return "contains half a character (a surrogate), which PostgreSQL cannot store"
    return ""
