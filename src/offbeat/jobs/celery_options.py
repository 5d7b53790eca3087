"""Celery's options that jobs do not have, and what says the same for a job: an option that is ignored would be believed."""

from __future__ import annotations

from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from celery.utils.time import maybe_make_aware
from django.utils import timezone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from celery import Task

    from offbeat.jobs.attempts import Attempt

PARENTS = "a job has no parent and no group: use open_batch() for a job after many others"
BROKER = "the relay publishes through its own connection, and tries until Redis accepts it"
JSON = "arguments are JSON in PostgreSQL, and the message has none"
INSTEAD = {
    "args": "pass the arguments to enqueue()",
    "kwargs": "pass the arguments to enqueue()",
    "countdown": "write run_at=timezone.now() + timedelta(seconds=...)",
    "eta": "write run_at=..., an aware datetime",
    "expires": "write not_after=..., an aware datetime",
    "link": "enqueue the next job at the end of this one's task, or write on_success= of open_batch()",
    "link_error": "write on_failure= of open_batch(), or on_failure() of the task's class",
    "chain": PARENTS,
    "chord": PARENTS,
    "group_id": PARENTS,
    "group_index": PARENTS,
    "root_id": PARENTS,
    "parent_id": PARENTS,
    "add_to_parent": PARENTS,
    "replaced_task_nesting": PARENTS,
    "task_id": "the ledger makes the id; write key=... for your own unique name",
    "shadow": "pages and logs show the name of the task",
    "routing_key": "write queue=...",
    "exchange": "write queue=...",
    "route_name": "write queue=...",
    "router": "write queue=...",
    "serializer": JSON,
    "compression": JSON,
    "headers": "pass an argument",
    "stamped_headers": "pass an argument",
    "time_limit": "write @shared_task(time_limit=...)",
    "soft_time_limit": "write @shared_task(soft_time_limit=...)",
    "max_retries": "write @shared_task(max_retries=...)",
    "ignore_result": "write @shared_task(ignore_result=...)",
    "retries": "Offbeat counts them",
    "reply_to": "there is no result backend to reply through: the job's row shows how it ended",
    "result_cls": "enqueue() returns the job",
    "retry": BROKER,
    "retry_policy": BROKER,
    "producer": BROKER,
    "publisher": BROKER,
    "connection": BROKER,
    "delivery_mode": BROKER,
    "immediate": BROKER,
    "mandatory": BROKER,
}
OF_TASK = {
    name: f"write @shared_task({name}=...)" for name in ("api", "atomic", "max_attempts", "statement_timeout")
}
STAYS = "a retry keeps its queue, priority and not_after: enqueue another job to change them"


def refuse_unknown(task: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raise TypeError for an option that jobs do not have."""
    known = sorted(known)
    for name in sorted(set(options) - set(known)):
        instead = INSTEAD.get(name) or OF_TASK.get(name) or f"its options are {', '.join(known)}"
        raise TypeError(f"{task}: a job takes no {name}: {instead}.{_meant(name, known)}")


def _meant(name: str, known: Sequence[str]) -> str:
    """Return which option was meant, "" where none is near; of one that jobs do not have, what says the same."""
    others = INSTEAD | OF_TASK
    if name in others or not (nearest := get_close_matches(name, [*known, *others], n=1)):
        return ""
    return f" Did you mean {nearest[0]}?" + (f" Then {others[nearest[0]]}." if nearest[0] in others else "")


def refuse_in_retry(task: str, options: Iterable[str]) -> None:
    """Raise TypeError for an option of `self.retry` that would make another job of this one."""
    for name in sorted(options):
        raise TypeError(f"{task}: a job's retry takes no {name}: {STAYS}.")


def refuse_rate_limit(task: Task) -> None:
    """Raise TypeError for a task with a rate limit: each worker would hold its messages, which the ledger takes for lost then."""
    if task.rate_limit:
        raise TypeError(
            f"{task.name} has rate_limit={task.rate_limit!r}, which jobs do not support: write using(concurrency_key=...), "
            "so one runs at a time, or using(run_at=...), which spreads them."
        )


def refuse_replacement(attempt: Attempt | None, task: str) -> None:
    """Raise TypeError for a job that would become a plain message."""
    if attempt is not None:
        raise TypeError(f"{task}: a job cannot be replaced: enqueue the other job, and return.")


def expiry(task: Task) -> datetime | None:
    """Return until when a job that is enqueued now may start, by the `expires` of its task: seconds, or a time."""
    if not task.expires:
        return None
    if isinstance(task.expires, datetime):
        return maybe_make_aware(task.expires, task.app.timezone)
    return timezone.now() + timedelta(seconds=float(task.expires))


class RetrySignature:
    """Stands, in Celery's `retry`, for the message that it would send: another attempt of the job."""

    # Of what Celery says when there are too many: arguments are nothing for logs.
    args = kwargs = "..."

    def __init__(self, attempt: Attempt, again: Any) -> None:
        self.attempt, self.again = attempt, again

    def apply_async(self) -> None:
        self.attempt.again = self.again
