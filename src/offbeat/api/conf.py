"""How much the API takes; Django's `OFFBEAT_API` setting, or a variable OFFBEAT_API_<NAME>, overrides any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from offbeat.conf import Conf, reader


@dataclass(frozen=True)
class ApiConf(Conf):
    """Requests are counted by token, over all processes."""

    setting: ClassVar[str] = "OFFBEAT_API"

    # An importer that enqueues a file at once; an enqueue costs PostgreSQL about two milliseconds.
    burst: int = 200
    # Requests a second that a token has in the long run: 20 keep a thread of four busy, and leave the others to people.
    rate: float = 20.0
    # Clients that follow a job on one web process: half of its connections (gunicorn.py), so that requests keep theirs.
    streams: int = 250


conf = reader(ApiConf)
