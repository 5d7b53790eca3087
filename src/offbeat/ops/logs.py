"""How logs look: a line of JSON each in production, colours on a terminal. Every line says for which request or job it was.

Whoever logs uses Python's logging, with `extra={"action": ...}`; or structlog, where an app prefers that.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    Event = MutableMapping[str, Any]

CREDENTIALS = re.compile(r"(\w+://)[^/@\s:]*:[^/@\s]+@")  # scheme://user:password@
# Of Django: an object whose text has the query string, and a time that we have. Of Celery: what a task was called with.
DROPPED = ("request", "server_time", "data")
REMEMBERED = ("request_id", "job", "task", "attempt", "cronjob", "slot")


class Formatter(logging.Formatter):
    """Formats with structlog, which is imported for the first line: a wake-up that logs nothing does not pay for it."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        return self.inner.format(record)

    @cached_property
    def inner(self) -> logging.Formatter:
        import structlog  # noqa: PLC0415  see above

        stdlib, processors = structlog.stdlib, structlog.processors
        shared: list[Any] = [
            structlog.contextvars.merge_contextvars,
            stdlib.add_log_level,
            stdlib.add_logger_name,
            stdlib.ExtraAdder(),
            processors.TimeStamper(fmt="iso", utc=True, key="time"),
            drop,
            add_trace,
        ]
        last = as_json() if self.as_json else as_lines()
        return stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[stdlib.ProcessorFormatter.remove_processors_meta, *last]
        )


def as_json() -> list[Any]:
    import structlog  # noqa: PLC0415  see above

    processors = structlog.processors
    return [
        processors.format_exc_info,
        processors.EventRenamer("message"),
        redact,
        in_order,
        processors.JSONRenderer(default=str),
    ]


def as_lines() -> list[Any]:
    import structlog  # noqa: PLC0415  see above

    return [
        redact,
        structlog.dev.ConsoleRenderer(
            colors=wants_colours(os.environ, sys.stderr.isatty()),
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def wants_colours(environ: Mapping[str, str], is_terminal: bool) -> bool:
    """Tell whether to colour, by https://no-color.org and https://force-color.org."""
    return not environ.get("NO_COLOR") and bool(is_terminal or environ.get("FORCE_COLOR"))


def in_order(logger: Any, method: str, event: Event) -> Event:
    """Put first what everybody reads."""
    first = ("time", "level", "logger", "message", "action")
    return {name: event[name] for name in first if name in event} | dict(event)


def drop(logger: Any, method: str, event: Event) -> Event:
    for name in DROPPED:
        event.pop(name, None)
    return event


def add_trace(logger: Any, method: str, event: Event) -> Event:
    """Name the trace that is being recorded, where OpenTelemetry records one."""
    from offbeat.ops import logs_traces  # noqa: PLC0415  it imports nothing that was not imported before

    event.update(logs_traces.current())
    return event


def redact(logger: Any, method: str, event: Event) -> Event:
    """Take passwords out of addresses: drivers put the whole URL into their errors."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = CREDENTIALS.sub(r"\1***@", value)
    return event
