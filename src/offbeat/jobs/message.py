"""The message that carries a job: Celery's protocol 2 in the envelope of kombu's Redis transport.

Built here, not by `apply_async`, because it says nothing but which job it is (arguments stay in PostgreSQL, out of Redis and of
logs), and because a thousand of them go in one round trip. A test compares it with what Celery itself sends.
"""

from __future__ import annotations

import base64
import json
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from kombu.transport.virtual import Message

JOB_HEADER = "job"  # true: the ledger decides whether this message runs
LEDGER_HEADER = "ledger"  # the identity of that ledger
PUBLISHED_HEADER = "published_at"  # Unix seconds, by PostgreSQL's clock, as in the row
RUNNER = "offbeat.jobs.tasks.run_task"  # the task of Celery that runs all tasks of Django's
LAST_SECOND = 253_000_000_000  # in the year 9987: later ones are no times to Python

EMPTY_BODY = b'[[], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
EMPTY_CALL = base64.b64encode(EMPTY_BODY).decode()


# Stand for what differs between the messages of a task. No name contains a NUL: PostgreSQL does not store it.
JOB_ID, PUBLISHED_AT, DELIVERY_TAG = "\0job", "\0time", "\0tag"
FILLED = {JOB_ID: '"%(job_id)s"', PUBLISHED_AT: "%(published_at)r", DELIVERY_TAG: '"%(delivery_tag)s"'}


def job_message(
    job_id: str,
    task: str,
    queue: str,
    published_at: datetime,
    ledger: str = "",
    *,
    level: int = 0,
    limits: str | None = None,
) -> str:
    """Return the JSON that the transport's list holds for one job.

    `level` says which of the queue's lists; `limits` are the job's own time limits, as JSON.
    """
    return _envelope(task, queue, ledger, level, limits) % {
        "job_id": job_id,
        "published_at": published_at.timestamp(),
        "delivery_tag": uuid.uuid4(),
    }


@lru_cache(maxsize=1024)
def _envelope(task: str, queue: str, ledger: str, level: int, limits: str | None) -> str:
    """Return what all messages of a task in a queue have in common, as a format: made once, as bulk sends many."""
    envelope = json.dumps(
        {
            "body": EMPTY_CALL,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": headers(JOB_ID, task, PUBLISHED_AT, ledger, json.loads(limits) if limits else None),
            "properties": {
                "correlation_id": JOB_ID,
                "reply_to": "",
                "delivery_mode": 2,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": level,
                "body_encoding": "base64",
                "delivery_tag": DELIVERY_TAG,
            },
        }
    ).replace("%", "%%")
    for mark, filled in FILLED.items():
        envelope = envelope.replace(json.dumps(mark), filled)
    return envelope


def headers(
    job_id: str,
    task: str,
    published_at: float | str,
    ledger: str = "",
    limits: list[float | None] | None = None,
) -> dict[str, Any]:
    """Return Celery's headers, and ours; `published_at` in Unix seconds, `limits` the hard and the soft one in seconds."""
    return {
        "lang": "py",
        "task": task,
        "id": job_id,
        "root_id": job_id,
        "parent_id": None,
        "group": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": limits or [None, None],
        "argsrepr": "",
        "kwargsrepr": "",
        "origin": "jobs",
        "ignore_result": True,
        "stamped_headers": None,
        "stamps": {},
        JOB_HEADER: True,
        LEDGER_HEADER: ledger,
        PUBLISHED_HEADER: published_at,
    }


def reduce_to_job(message: Message) -> None:
    """Leave of a job's message its id, task and ledger: arguments, limits and retries are those of its row and its task.

    The runner's limits are those of the task that it runs, which the main process does not know: they stay.
    """
    told = message.headers
    limits = told.get("timelimit") if told["task"] == RUNNER else None
    origin = str(told.get(LEDGER_HEADER, ""))
    message.headers = headers(told["id"], told["task"], moment(told), origin, limits)
    message.body, message.content_type, message.content_encoding = EMPTY_BODY, "application/json", "utf-8"
    message.errors = []  # of unpacking a body that is not used
    message._decoded_cache = json.loads(EMPTY_BODY)  # noqa: SLF001  kombu would do it, by a longer way


def published_at(raw: bytes) -> float | None:
    """Return when a waiting message of a job was published, Unix seconds by PostgreSQL's clock; None for any other message.

    A plain message's time is that of the machine which sent it, and an odd one is not ours: neither proves anything.
    """
    try:
        told = json.loads(raw)["headers"]
        return (moment(told) or None) if told[JOB_HEADER] is True else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def priority_in(raw: str) -> int:
    """Return the number by which a message's list was chosen, Celery's or a job's level; 0 where it says none."""
    try:
        value = json.loads(raw)["properties"]["priority"]
        return value if isinstance(value, int) else 0
    except (ValueError, KeyError, TypeError, RecursionError):
        return 0


def moment(told: Mapping[str, Any]) -> float:
    """Return the time that headers tell, Unix seconds; 0 for none, or an odd one."""
    value = told.get(PUBLISHED_HEADER)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < LAST_SECOND else 0.0  # type: ignore[operator, arg-type]
