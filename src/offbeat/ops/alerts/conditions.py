"""What can be wrong with the whole, each told by one function that asks the ledger or Redis."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import redis
from django.db import connection

from offbeat.cronjobs.words import counted, duration
from offbeat.jobs import broker, other_ledgers, refusal, unreadable_store
from offbeat.jobs.queries import living_workers
from offbeat.ops.alerts.conf import conf
from offbeat.ops.metrics import scrape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now; `patience` seconds of it make an incident."""

    kind: str
    subject: str
    text: str
    patience: float = 0.0


DEAD = """
    SELECT task, count(*), count(*) FILTER (WHERE finished_at > now() - make_interval(secs => %s)),
        (array_agg(reason ORDER BY finished_at DESC))[1]
    FROM offbeat_jobs_job WHERE state = 'dead' GROUP BY task ORDER BY task
"""


def dead_letters() -> Iterator[Trouble]:
    """Yield the tasks that have had a dead letter lately, and not yet decided."""
    with connection.cursor() as cursor:
        cursor.execute(DEAD, [conf().dead_letter_quiet])
        for task, count, fresh, reason in cursor.fetchall():
            if fresh:
                yield Trouble(
                    "dead_letters", task, f"{task}: {counted(count, 'dead letter')}; the newest: {reason}"
                )


def old_queues() -> Iterator[Trouble]:
    for queue, age in sorted(scrape.oldest(scrape.tallies()).items()):
        if age > conf().queue_age:
            yield Trouble(
                "queue_age",
                queue,
                f"queue {queue}: its first job has been due for {duration(timedelta(seconds=age))}",
            )


def refused_jobs() -> Iterator[Trouble]:
    """Yield the tasks that no worker's code knows; during a deploy that is as it should be."""
    for each in refusal.refused():
        yield Trouble(
            "unknown_task",
            each.task,
            f"{each.task}: {counted(each.jobs, 'job')}: {each.reason}",
            conf().queue_age,
        )


def missing_workers() -> Iterator[Trouble]:
    """Yield the queues of platform.yaml, and of jobs that wait, which no living worker consumes."""
    workers = [worker for worker in living_workers() if not worker.stopping]
    consumed = {queue for worker in workers for queue in worker.queues}
    waiting = [tally.queue for tally in scrape.tallies() if tally.waiting]
    for queue in scrape.queues_of(waiting):
        if queue not in consumed:
            alive = f"{counted(len(workers), 'worker')} alive" if workers else "no worker is alive"
            yield Trouble(
                "no_worker", queue, f"queue {queue}: no worker consumes it ({alive})", conf().patience
            )


def messages_put_aside() -> Iterator[Trouble]:
    """Yield the messages that no worker could take lately; of Redis itself another function tells."""
    try:
        newest = unreadable_store.kept(1)
    except redis.RedisError:
        return
    quiet = timedelta(seconds=conf().dead_letter_quiet)
    if newest and datetime.now(UTC) - datetime.fromisoformat(newest[0].at) < quiet:
        text = f"a message of queue {newest[0].queue} was put aside: {newest[0].reason}"
        yield Trouble("messages_put_aside", "redis", text)


def redis_away() -> Iterator[Trouble]:
    try:
        broker.client().ping()
    except redis.RedisError as error:
        text = f"Redis does not answer: {type(error).__name__}; jobs wait in PostgreSQL, none is lost"
        yield Trouble("redis_away", "redis", text, conf().patience)


def foreign_ledgers() -> Iterator[Trouble]:
    """Yield other deployments whose workers consume our queues."""
    try:
        for database in other_ledgers.others():
            yield Trouble("foreign_ledger", database, other_ledgers.text(database), conf().patience)
    except redis.RedisError:  # told of above
        return


TROUBLES: tuple[Callable[[], Iterator[Trouble]], ...] = (
    dead_letters,
    old_queues,
    refused_jobs,
    missing_workers,
    messages_put_aside,
    redis_away,
    foreign_ledgers,
)


def all_troubles() -> list[Trouble]:
    return [trouble for look in TROUBLES for trouble in look()]
