"""How logs look: a line of JSON each in production, colours on a terminal. Every line says for which request or job it was.

Whoever logs uses Python's logging, with `extra={"action": ...}`; or structlog, where an app prefers that.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any

from offbeat import redaction
from offbeat.ops import logs_values

if TYPE_CHECKING:
    from collections.abc import Mapping

    from offbeat.ops.logs_values import Event

# Of Django: an object whose text has the query string, and a time that we have. Of Celery: what a task was called with.
DROPPED = ("request", "server_time", "data")
OF_REQUESTS = ("gunicorn.", "django.server")  # loggers whose lines have a path, and no request beside it
REMEMBERED = ("request_id", "job", "task", "attempt", "cronjob", "slot")


class Formatter(logging.Formatter):
    """Formats with structlog, which is imported for the first line: a wake-up that logs nothing does not pay for it."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self.as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as text; one whose arguments do not fit, or cannot be shown, is a line too."""
        try:
            return self.inner.format(record)
        except Exception as error:  # noqa: BLE001  code of whoever logs
            message = f"{logs_values.text_of(record.msg)} (cannot be shown as meant: {type(error).__name__})"
            return self.inner.format(logging.makeLogRecord(vars(record) | {"msg": message, "args": ()}))

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
        logs_values.protect,
        processors.EventRenamer("message"),
        in_order,
        processors.JSONRenderer(default=str),
    ]


def as_lines() -> list[Any]:
    import structlog  # noqa: PLC0415  see above

    return [
        logs_values.protect,
        logs_values.escape_controls,
        structlog.dev.ConsoleRenderer(
            colors=wants_colours(os.environ, sys.stderr.isatty()), timestamp_key="time"
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
    is_of_request = "request" in event or event["logger"].startswith(OF_REQUESTS)
    for name in DROPPED:
        event.pop(name, None)
    if is_of_request:  # a dead link may still hold a token that works
        event["event"] = redaction.hide_tokens(str(event["event"]))
    return event


def add_trace(logger: Any, method: str, event: Event) -> Event:
    """Name the trace that is being recorded, where OpenTelemetry records one."""
    from offbeat.ops import logs_traces  # noqa: PLC0415  it imports nothing that was not imported before

    event.update(logs_traces.current())
    return event
