"""The filters of `manage.py jobs`: those of the search on the ops pages."""

from __future__ import annotations

import argparse
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from offbeat.jobs.models import Job
from offbeat.jobs.search import FIRST, LAST, JobSearch
from offbeat.jobs.words import read_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.core.management.base import CommandParser


def typed(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader whose error argparse shows as it is."""

    def read_or_refuse(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read_or_refuse


def read_batch(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise ValueError(f"a batch is named by its id, got {text!r}") from None


def read_moment(text: str) -> datetime:
    """Read a moment in ISO 8601; one without a time zone is in UTC."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        if FIRST <= moment <= LAST:
            return moment
    except ValueError:
        pass
    raise ValueError(f"a moment is written as 2026-11-23 or 2026-11-23T09:00, in UTC, got {text!r}")


FILTERS: dict[str, dict[str, Any]] = {
    "state": {"choices": Job.State.values, "help": f"one of {', '.join(Job.State.values)}"},
    "task": {"help": 'part of a task\'s name; "=NAME" for exactly this task'},
    "queue": {"help": "a queue's whole name"},
    "worker": {"help": "host name of a worker that lives, or how its id begins: the one of the last attempt"},
    "batch": {"type": typed(read_batch), "help": "id of a batch"},
    "error": {"help": "part of the reason, such as the name of an exception"},
    "key": {"help": 'how a key begins, or a job\'s id; "=KEY" for exactly this key'},
    "argument": {"help": "part of the arguments as JSON"},
    "since": {"type": typed(read_moment), "help": "enqueued at this moment or later, in UTC"},
    "until": {"type": typed(read_moment), "help": "enqueued at this moment or before, in UTC"},
    "older": {
        "type": typed(read_duration),
        "help": "of an age of at least 90s, 10min, 2h or 3d: since it died or finished, started, was enqueued",
    },
    "newer": {"type": typed(read_duration), "help": "of an age of at most so much"},
}


def add_filters(parser: CommandParser) -> None:
    for name, options in FILTERS.items():
        parser.add_argument(f"--{name}", metavar=name.upper(), **options)


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters that were given."""
    return {name: options[name] for name in FILTERS if options[name] is not None}


def search_of(options: Mapping[str, Any], state: str = "") -> JobSearch:
    """Return the search; `state` is the one where none was given."""
    found = JobSearch(**given(options))
    return found if found.state else replace(found, state=state)
