"""What a message must be, so that neither kombu, nor Celery's main process, nor its children break on it.

They take a message as they find it: `retries` that are text, or a body of one element, raise wherever they are used first, which
mostly is the main process' event loop, and ends the worker. Here a message is looked at before anything of it is used.
"""

from __future__ import annotations

import json
import math
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from celery.utils.time import maybe_iso8601
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from offbeat.jobs.arguments import DEEPEST
from offbeat.jobs.message import JOB_HEADER
from offbeat.jobs.unreadable_store import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kombu.transport.virtual import Message

LONGEST_NAME = 500  # characters; an id becomes part of a key in Redis


class Shape(NamedTuple):
    words: str
    fits: Callable[[Any], bool]


def is_name(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def is_uuid(value: Any) -> bool:
    try:
        return is_name(value) and bool(uuid.UUID(value))
    except ValueError:
        return False


def is_moment(value: Any) -> bool:
    """Tell whether Celery can make a time of it, far enough from the calendar's ends for any time zone."""
    if value is None:
        return True
    try:
        return 1 < maybe_iso8601(value).year < 9999
    except (ValueError, TypeError, AttributeError, OverflowError):
        return False


def is_limits(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and len(value) == len(("hard", "soft")) and all(map(is_seconds, value))
    )


def is_seconds(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and math.isfinite(value) and 0 <= value < 1e9)


def is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and 0 <= value < 1e9)


def is_level(value: Any) -> bool:
    return value is None or (isinstance(value, int) and abs(value) < 1e9)


def is_calls(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(each, dict) for each in value))


def is_names(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(map(is_name, value)))


def optional(of: type) -> Callable[[Any], bool]:
    return lambda value: value is None or isinstance(value, of)


NAME, UUID = Shape("a name", is_name), Shape("a UUID", is_uuid)
OBJECT, ANY_OBJECT = (
    Shape("an object", lambda value: isinstance(value, dict)),
    Shape("an object or null", optional(dict)),
)
LIST, ANY_LIST = (
    Shape("a list", lambda value: isinstance(value, list)),
    Shape("a list or null", optional(list)),
)
ANY_TEXT = Shape("text or null", optional(str))
MOMENT = Shape("a time in ISO 8601 or null", is_moment)
COUNT = Shape("a whole number from 0, or null", is_count)
LEVEL = Shape("a whole number or null", is_level)
ABSENT = Shape("absent", lambda value: not value)
CALLS = Shape("a list of objects or null", is_calls)

ENVELOPE = {
    "headers": OBJECT,
    "properties": OBJECT,
    "body": ANY_TEXT,
    "content-type": ANY_TEXT,
    "content-encoding": ANY_TEXT,
}
PROPERTIES = {
    "delivery_tag": NAME,
    "delivery_info": OBJECT,
    "body_encoding": ANY_TEXT,
    "priority": LEVEL,
    "correlation_id": ANY_TEXT,
    "reply_to": ANY_TEXT,
}
LIMITS = Shape("two numbers of seconds, each may be null", is_limits)
JOB = {
    "id": UUID,
    "task": NAME,
    "timelimit": LIMITS,
    JOB_HEADER: Shape("true", lambda value: value is True),
}
CALL = {
    "id": NAME,
    "task": NAME,
    "shadow": ANY_TEXT,
    "eta": MOMENT,
    "expires": MOMENT,
    "retries": COUNT,
    "timelimit": LIMITS,
    "stamps": ANY_OBJECT,
    "stamped_headers": Shape("a list of names or null", is_names),
}
EMBEDDED = {"callbacks": CALLS, "errbacks": CALLS, "chain": CALLS, "chord": ANY_OBJECT}


def read_envelope(raw: bytes, queue: str) -> dict[str, Any]:
    """Return a message as kombu's channel takes it, addressed to the queue that it came from, whatever it says itself.

    There it goes back when its worker dies: to one that exists, and is consumed. Raises UnreadableError.
    """
    with refuse_undecodable("no JSON"):
        # Kombu's own looks at each object for what it has encoded in its way: of most messages, nothing.
        found = (loads if b"__type__" in raw else json.loads)(bytes_to_str(raw))
    refuse_depth(raw, found)
    check_envelope(found)
    properties = found["properties"]
    again = {"redelivered": True} if properties["delivery_info"].get("redelivered") else {}
    properties["delivery_info"] = {"exchange": "", "routing_key": queue} | again
    return dict(found)


def check_envelope(found: Any) -> None:
    demand(OBJECT, "the message", found)
    check(ENVELOPE, found)
    check(PROPERTIES, found["properties"])


def check_call(message: Message) -> None:
    """Raise UnreadableError for what is no call of a task, in any of Celery's protocols."""
    if message.errors:
        raise UnreadableError(f"its body cannot be unpacked: {message.errors[0][1]}")
    with refuse_undecodable("its body cannot be decoded"):
        body = message.decode()
    refuse_depth(message.body or b"", body)
    # Protocol 1, or one of both.
    if isinstance(body, dict) and ("args" in body or "task" not in message.headers):
        check(CALL, body | message.headers if "args" in body else body)
        check({"args": ANY_LIST, "kwargs": ANY_OBJECT, JOB_HEADER: ABSENT} | EMBEDDED, body)
    else:
        check(CALL, message.headers)
        check_body(body)


def check_body(body: Any) -> None:
    demand(LIST, "the body", body)
    if len(body) != len(("args", "kwargs", "embedded")):
        raise UnreadableError(f"the body should be [args, kwargs, embedded], got {len(body)} elements")
    args, kwargs, embedded = body
    demand(LIST, "args", args)
    demand(OBJECT, "kwargs", kwargs)
    demand(ANY_OBJECT, "the third element of the body", embedded)
    check(EMBEDDED, embedded or {})
    if strange := set(embedded or {}) - EMBEDDED.keys():  # each would replace a part of the task's request
        raise UnreadableError(f"{min(strange)} is not a part of a call")


def check(shapes: Mapping[str, Shape], values: Mapping[str, Any]) -> None:
    for name, shape in shapes.items():
        demand(shape, name, values.get(name))


def demand(shape: Shape, name: str, value: Any) -> None:
    if not shape.fits(value):
        raise UnreadableError(f"{name} should be {shape.words}, got {shown(value)}")


def shown(value: Any) -> str:
    return json.dumps(value, default=str)[:60]


def refuse_depth(raw: bytes | str, value: Any) -> None:
    # Few messages have as many brackets as that, and only those are walked through.
    if isinstance(raw, str):  # as RabbitMQ's client decodes it
        raw = raw.encode(errors="surrogatepass")
    if raw.count(b"[") + raw.count(b"{") > DEEPEST and is_deeper(value, DEEPEST):
        raise UnreadableError(f"it is nested more than {DEEPEST} levels deep")


def is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(is_deeper(each, levels - 1) for each in inner)


@contextmanager
def refuse_undecodable(what: str) -> Iterator[None]:
    """Raise UnreadableError for whatever a decoder raises: of each there are many, and some are nobody's subclass."""
    try:
        yield
    except Exception as error:
        raise UnreadableError(f"{what}: {type(error).__name__}: {error}"[:500]) from error
