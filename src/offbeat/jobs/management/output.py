"""Jobs and statistics, as `manage.py jobs` prints them: as lines for people and as values for JSON."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from offbeat.jobs import broker
from offbeat.jobs.export import value_of
from offbeat.jobs.words import duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from offbeat.jobs.models import Job, Worker
    from offbeat.jobs.queries import Statistics, Tally

TALLY = "{:>7}  {:9}  {:12}  {:17}  {}"


def full(job: Job) -> dict[str, Any]:
    """Return every column, in the model's order."""
    return {field.attname: value_of(getattr(job, field.attname)) for field in job._meta.concrete_fields}  # noqa: SLF001  Django's documented way


def lines(job: Job) -> Iterator[str]:
    """Tell everything that is known of a job, the traceback last."""
    for name, value in full(job).items():
        if name not in {"traceback", "history"} and value not in (None, ""):
            moment = getattr(job, name)
            yield f"{name:18}  {value}" + (f"  {_ago(moment)}" if hasattr(moment, "isoformat") else "")
    for attempt in job.history:
        yield f"attempt {attempt['attempt']:<10}  {attempt['outcome']}: {attempt['reason']}"
    if job.traceback:
        yield ""
        yield job.traceback.rstrip()


def tally(found: Tally) -> dict[str, Any]:
    names = ("task", "queue", "state", "jobs", "due", "due_since")
    return {name: value_of(getattr(found, name)) for name in names}


def tally_table(found: Sequence[Tally]) -> Iterator[str]:
    if not found:
        yield "every job has finished"
        return
    yield TALLY.format("jobs", "state", "queue", "due since", "task")
    for each in sorted(found, key=lambda each: (each.task, each.state)):
        since = _ago(each.due_since) if each.due_since else "later"
        yield TALLY.format(f"{each.jobs:,}", each.state, each.queue, since, each.task)


def figures(found: Statistics) -> dict[str, Any]:
    return {
        "queues": {
            name: {key: value_of(value) for key, value in dataclasses.asdict(depth).items()}
            for name, depth in found.queues.items()
        },
        "finished_about": found.finished_about,
        "messages_waiting": found.messages,
        "workers": [_worker(worker) for worker in found.workers],
    }


def summary(found: Statistics) -> Iterator[str]:
    for name, depth in found.queues.items():
        oldest = f", the oldest due {_ago(depth.oldest_at)}" if depth.oldest_at else ""
        yield (
            f"{name:20}  {depth.waiting:,} waiting{oldest}; "
            f"{depth.later:,} later, {depth.running:,} running, {depth.dead:,} dead"
        )
    about = (
        "unknown until PostgreSQL analyses the table"
        if found.finished_about is None
        else f"about {found.finished_about:,}"
    )
    yield f"finished and not pruned, without dead letters: {about}"
    messages = (
        f"unknown: {broker.name()} did not answer" if found.messages is None else _by_queue(found.messages)
    )
    yield f"waiting messages in {broker.name()}: {messages}"
    yield f"workers alive: {len(found.workers)}"
    yield from map(_life, found.workers)


def _life(worker: Worker) -> str:
    busy = f"{worker.busy} of {worker.concurrency} busy"
    return f"  {worker}: {busy}, queues {', '.join(worker.queues)}, heartbeat {_ago(worker.heartbeat_at)}"


def _worker(worker: Worker) -> dict[str, Any]:
    names = (
        "id",
        "hostname",
        "pid",
        "queues",
        "concurrency",
        "busy",
        "version",
        "stopping",
        "broker_away_since",
    )
    return {name: value_of(getattr(worker, name)) for name in names} | {
        "heartbeat_seconds": _age(worker.heartbeat_at)
    }


def _by_queue(waiting: dict[str, int]) -> str:
    return ", ".join(f"{queue} {messages:,}" for queue, messages in waiting.items())


def _age(moment: datetime | None) -> float | None:
    return None if moment is None else round((timezone.now() - moment).total_seconds(), 1)


def _ago(moment: datetime | None) -> str:
    if moment is None:
        return "none"
    distance = timezone.now() - moment
    return f"{duration(distance)} ago" if distance.total_seconds() >= 0 else f"in {duration(distance)}"
