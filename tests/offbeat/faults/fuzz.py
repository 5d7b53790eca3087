"""Random messages: good ones with something changed at random, which a seed makes again."""

from __future__ import annotations

import copy
import json
import random
import uuid

from tests.offbeat.faults.shapes import CALL, NOTHING, nested, old, plain

ODD = [
    None, True, False, 0, -1, 1, 7.5, 1e300, float("nan"), float("inf"), 10**30, "", "x", "\0", "\ud800", "ü", "5", "a" * 5000,
    [], [1], [[]], [None, None], ["5", 5], {}, {"a": 1}, {"task": NOTHING}, {"__type__": "uuid", "__value__": {}},
    {"__type__": "datetime", "__value__": "2026-11-16T09:00:00"}, {"__type__": "bytes", "__value__": "x"}, "default", "utf-8",
    "base64", "application/json", "application/x-gzip", NOTHING, "2026-11-16T09:00:00", "2999-11-16T09:00:00+00:00", "0001-01-01",
]  # fmt: skip
NAMES = [
    "id", "task", "job", "args", "kwargs", "headers", "properties", "body", "callbacks", "errbacks", "chain", "chord", "group",
    "timelimit", "eta", "expires", "retries", "shadow", "compression", "stamps", "stamped_headers", "delivery_info",
    "delivery_tag", "priority", "redelivered", "consumer_tag", "exchange", "routing_key", "reply_to", "correlation_id", "utc",
    "is_eager", "called_directly", "hostname", "attempt", "request", "get", "update", "published_at", "__class__", "",
]  # fmt: skip


class Fuzz:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def message(self):
        """Make one message; one in twenty is a good one."""
        start = self.random.choice([self.protocol_2, self.protocol_2, self.job, old])()
        for _ in range(self.random.choice([0, 1, 1, 1, 1, 2, 2, 3, 5])):
            start = self.changed(start)
        raw = json.dumps(start).encode()
        return self.broken(raw) if self.random.random() < 0.1 else raw

    def protocol_2(self):
        body = copy.deepcopy(CALL)
        for _ in range(self.random.choice([0, 0, 1, 2])):
            body = self.changed(body)
        text = json.dumps(body).encode()
        return plain(body=self.broken(text) if self.random.random() < 0.05 else text)

    def job(self):
        return plain({"job": True, "id": str(uuid.UUID(int=self.random.getrandbits(128)))})

    def changed(self, value):
        """Change one place somewhere in a value: replace it, leave it out, add to it, or put it into a list."""
        if not isinstance(value, dict | list) or not value or self.random.random() < 0.1:
            return self.odd()
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        place = self.random.choice(places)
        act = self.random.random()
        if act < 0.6 and isinstance(value[place], dict | list):
            value[place] = self.changed(value[place])
        elif act < 0.75:
            value[place] = self.odd()
        elif act < 0.85:
            del value[place]
        elif isinstance(value, dict):
            value[self.random.choice(NAMES)] = self.odd()
        else:
            value.append(self.odd())
        return value

    def odd(self):
        if self.random.random() < 0.03:
            return json.loads(nested(self.random.choice([50, 99, 101, 300, 900])))
        return copy.deepcopy(self.random.choice(ODD))

    def broken(self, raw):
        """Change bytes, or cut some off."""
        found = bytearray(raw)
        for _ in range(self.random.randint(1, 4)):
            if found:
                found[self.random.randrange(len(found))] = self.random.randrange(256)
        return bytes(found[: self.random.randint(0, len(found))] if self.random.random() < 0.3 else found)
