"""Messages that no worker can take: what a hand, another program, another version or a broken disk puts into a queue."""

from __future__ import annotations

import base64
import json
import uuid

NOTHING = "tests.offbeat.faults.effects.tasks.nothing"
CALL = [[], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
MISSING = object()


def encoded(body):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return base64.b64encode(text).decode()


def plain(headers=(), properties=(), body=CALL, **envelope):
    """Make the message of `nothing.delay()`, with some parts replaced, or left out where MISSING."""
    task_id = str(uuid.uuid4())
    sent = {
        "body": encoded(body),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": without(
            {"lang": "py", "task": NOTHING, "id": task_id, "root_id": task_id, "parent_id": None, "group": None, "shadow": None,
             "eta": None, "expires": None, "retries": 0, "timelimit": [None, None], "argsrepr": "()", "kwargsrepr": "{}",
             "origin": "shapes", "ignore_result": True, "stamped_headers": None, "stamps": {}} | dict(headers)
        ),
        "properties": without(
            {"correlation_id": task_id, "reply_to": "", "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
             "delivery_info": {"exchange": "", "routing_key": "default"}, "delivery_tag": str(uuid.uuid4())} | dict(properties)
        ),
    }  # fmt: skip
    return without(sent | {name.replace("_", "-"): value for name, value in envelope.items()})


def without(values):
    return {name: value for name, value in values.items() if value is not MISSING}


def nested(depth, inner="1"):
    return "[" * depth + inner + "]" * depth


def with_nested(message, depth):
    """Put an argument of so many levels where the text says "HERE"; `json` makes none that deep."""
    return json.dumps(message).replace('"HERE"', nested(depth))


def old(**fields):
    """Make a message of Celery's protocol 1, which has everything in its body."""
    call = {"task": NOTHING, "id": str(uuid.uuid4()), "args": [], "kwargs": {}, "retries": 0} | fields
    return plain(body=without(call), headers=dict.fromkeys(plain()["headers"], MISSING))


GARBAGE = {
    "a word": b"hello",
    "nothing": b"",
    "a space": b" ",
    "a NUL": b"\0",
    "no UTF-8": b"\xff\xfe{}",
    "half of it": json.dumps(plain()).encode()[:100],
    "something behind it": json.dumps(plain()) + "}",
    "pickle": b"\x80\x05]\x94.",
    "null": b"null",
    "true": b"true",
    "a number": b"7",
    "a huge number": b"7" * 5000,
    "NaN": b"NaN",
    "text": b'"hello"',
    "an empty list": b"[]",
    "an empty object": b"{}",
    "a list of objects": b"[{}, {}]",
    "a thousand lists": nested(1000),
    "a hundred thousand lists": nested(100_000),
    "a type of kombu's that there is not": b'{"__type__": "x", "__value__": 1}',
    "a type of kombu's that is no text": b'{"__type__": [], "__value__": 1}',
    "a decimal that is none": b'{"__type__": "decimal", "__value__": "x"}',
    "a UUID that is none": b'{"__type__": "uuid", "__value__": 5}',
}
ENVELOPES = {
    "no headers and no properties": {"body": "aGVsbG8="},
    "no properties": plain() | {"properties": None},
    "properties a list": plain() | {"properties": []},
    "headers null": plain() | {"headers": None},
    "headers a list": plain() | {"headers": [1]},
    "headers text": plain() | {"headers": "task"},
    "headers deep": with_nested(plain({"x": "HERE"}), 400),
    "no delivery tag": plain(properties={"delivery_tag": MISSING}),
    "the delivery tag an object": plain(properties={"delivery_tag": {}}),
    "the delivery tag half a character": plain(properties={"delivery_tag": "\ud800"}),
    "no delivery info": plain(properties={"delivery_info": MISSING}),
    "the delivery info text": plain(properties={"delivery_info": "default"}),
    "the priority infinite": plain(properties={"priority": float("inf")}),
    "the priority an object": plain(properties={"priority": {}}),
    "an encoding of the body that there is not": plain(properties={"body_encoding": "base65"}),
    "the encoding of the body a number": plain(properties={"body_encoding": 64}),
    "a body that is no base64": plain() | {"body": "a"},
    "the body an object": plain() | {"body": {"args": []}},
    "the content type a list": plain(content_type=["application/json"]),
    "the content encoding a number": plain(content_encoding=8),
}
BODIES = {
    "no body": plain() | {"body": None},
    "an empty body": plain(body=b""),
    "a body that is no JSON": plain(body=b"hello"),
    "a body that is no UTF-8": plain(body=b"\xff[]"),
    "a body of one element": plain(body=[[]]),
    "a body of four": plain(body=[[], {}, {}, {}]),
    "a body of text": plain(body="args"),
    "a body of no list and no object": plain(body=5),
    "an empty object in the body": plain(body={}),
    "args an object": plain(body=[{}, {}, {}]),
    "kwargs a list": plain(body=[[], [], {}]),
    "callbacks a number": plain(body=[[], {}, {"callbacks": 5}]),
    "the chain an object": plain(body=[[], {}, {"chain": {"task": NOTHING}}]),
    "the errbacks a list of numbers": plain(body=[[], {}, {"errbacks": [1]}]),
    "a job in the body": plain(body=[[], {}, {"job": True}]),
    "an argument 400 deep": plain(body=with_nested([["HERE"], {}, {}], 400).encode()),
    "an argument a hundred thousand deep": plain(body=with_nested([["HERE"], {}, {}], 100_000).encode()),
    "pickle in the body": plain(body=b"\x80\x05]\x94.", content_type="application/x-python-serialize", content_encoding="binary"),
    "a content type that there is not": plain(content_type="application/x"),
    "a compression that there is not": plain({"compression": "application/x-rar"}),
    "a body that is not compressed": plain({"compression": "application/x-gzip"}),
}  # fmt: skip
CALLS = {
    "no id": plain({"id": MISSING}),
    "the id a list": plain({"id": []}),
    "the id half a character": plain({"id": "\ud800"}),
    "no task": plain({"task": MISSING}),
    "the task an object": plain({"task": {}}),
    "the task null": plain({"task": None}),
    "a task that there is not": plain({"task": "shop.tasks.gone"}),
    "the shadow an object": plain({"shadow": {"a": 1}}),
    "the time limit text": plain({"timelimit": "abc"}),
    "one time limit": plain({"timelimit": [5]}),
    "the time limit two texts": plain({"timelimit": ["5", "5"]}),
    "the time limit infinite": plain({"timelimit": [float("inf"), None]}),
    "an eta of text": plain({"eta": "tomorrow"}),
    "the eta false": plain({"eta": False}),
    "the eta in the year 1": plain({"eta": "0001-01-01T00:00:00"}),
    "expires in a list": plain({"expires": ["2026-11-16T09:00:00"]}),
    "the retries text": plain({"retries": "x"}),
    "the retries below none": plain({"retries": -1}),
    "the stamps a list": plain({"stamps": [1]}),
    "the names of the stamps lists": plain({"stamped_headers": [["a"]]}),
    "a job whose id is no UUID": plain({"job": True, "id": "7"}),
    "the job NaN": plain({"job": float("nan")}),
    "protocol 1: no id": old(id=MISSING),
    "protocol 1: the id a list, and text in the headers": old(id=[], args=MISSING) | {"headers": {"id": "7"}},
    "protocol 1: a job": old(job=True),
    "protocol 1: args a number": old(args=5),
    "protocol 1: the time limit text": old(timelimit="abc"),
    "protocol 1: an eta of text": old(eta="tomorrow"),
    "protocol 1: a task that there is not": old(task="shop.tasks.gone"),
}
SHAPES = {
    name: shape
    if isinstance(shape, bytes)
    else (shape if isinstance(shape, str) else json.dumps(shape)).encode()
    for shapes in (GARBAGE, ENVELOPES, BODIES, CALLS)
    for name, shape in shapes.items()
}
