"""For tests: keeps in this process what `.delay()` and `.apply_async()` send, so that `run_jobs()` can run it.

Without it a message goes to Redis, where nobody takes it: the test would see neither an effect nor an error.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.app.trace import build_tracer
from celery.utils.time import maybe_make_aware
from django.utils import timezone
from kombu.serialization import dumps, loads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta


@dataclass(frozen=True, slots=True)
class PlainMessage:
    """A message of a task that is no job, as a worker would get it."""

    task: str
    id: str
    args: list[Any]
    kwargs: dict[str, Any]
    request: dict[str, Any]
    eta: datetime | None
    expires: datetime | None

    def run(self) -> Any:
        """Run it as a worker's child would; return what Celery's tracer knows of its end."""
        task = current_app.tasks[self.task]
        return build_tracer(self.task, task, app=task.app, eager=True)(
            self.id, self.args, self.kwargs, self.request
        )


class KeptMessages:
    """The messages of a test, in the order in which they were sent."""

    def __init__(self) -> None:
        self.waiting: list[PlainMessage] = []

    def keep(self, producer: Any, name: str, message: Any, **options: Any) -> None:
        """Take a message in place of Celery's own sending. Raises kombu's EncodeError, as that would."""
        body = message.body
        content_type, encoding, raw = dumps(
            body, serializer=options.get("serializer") or current_app.conf.task_serializer
        )
        args, kwargs, embedded = loads(raw, content_type, encoding)
        headers = message.headers
        request = {
            **headers,
            **(embedded or {}),
            "args": args,
            "kwargs": kwargs,
            "hostname": "run_jobs",
            "is_eager": False,
            "delivery_info": {"exchange": "", "routing_key": options.get("routing_key") or ""},
        }
        eta, expires = _moment(headers.get("eta")), _moment(headers.get("expires"))
        self.waiting.append(PlainMessage(name, headers["id"], args, kwargs, request, eta, expires))

    def take(self, ahead: timedelta) -> PlainMessage | None:
        """Take the first that is due by then; None where there is none. What has expired is dropped, as a worker does."""
        now = timezone.now()
        self.waiting = [each for each in self.waiting if each.expires is None or each.expires > now]
        for each in self.waiting:
            if each.eta is None or each.eta <= now + ahead:
                self.waiting.remove(each)
                return each
        return None


_kept: list[KeptMessages] = []


def kept() -> KeptMessages | None:
    """Return the messages that are kept here and now, None where they go to Redis."""
    return _kept[-1] if _kept else None


@contextlib.contextmanager
def keep_messages() -> Iterator[KeptMessages]:
    """Keep, inside the block, what this process would send to Redis."""
    messages = KeptMessages()
    amqp = current_app.amqp
    before = amqp.send_task_message
    amqp.send_task_message = messages.keep
    _kept.append(messages)
    try:
        yield messages
    finally:
        amqp.send_task_message = before
        _kept.remove(messages)


def _moment(value: Any) -> datetime | None:
    """Return a time of a message's header: ISO 8601 text; one without a zone is in Celery's own."""
    if not value:
        return None
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    aware: datetime = maybe_make_aware(moment, current_app.timezone)
    return aware
