"""What can be wrong: found here and nowhere else, for pages, alerts, the doctor, /metrics and the health paths to present.

The conditions of a cronjob are found in `offbeat.cronjobs.conditions`, and come with its report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.conf import settings
from django.urls import reverse

from offbeat.condition import Condition, ConditionKind, Severity
from offbeat.cronjobs import conditions as of_cronjobs
from offbeat.cronjobs.words import counted
from offbeat.jobs import broker, other_ledgers, pauses, unreadable_store
from offbeat.ops.alerts.conf import conf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from offbeat.ops.snapshot import Snapshot

POSTGRES_DOWN = ConditionKind(
    "postgres_down", Severity.ERROR, "PostgreSQL is down",
    "check the platform's page of the database, and DATABASE_URL", "patience",
)  # fmt: skip
REDIS_DOWN = ConditionKind(
    "redis_down",
    Severity.ERROR,
    "Redis is down",
    "check the platform's page of it, and REDIS_URL",
    "patience",
)
BROKER_DOWN = ConditionKind(
    "broker_down",
    Severity.ERROR,
    "broker is down",
    "check the platform's page of it, and BROKER_URL",
    "patience",
)
NO_WORKER = ConditionKind(
    "no_worker", Severity.ERROR, "no worker",
    "start one, or check the platform's log of the worker: without it no job runs, and nothing claims missed slots", "patience",
)  # fmt: skip
SILENT_WORKER = ConditionKind(
    "silent_worker", Severity.WARNING, "no heartbeat",
    "nothing, if it no longer exists: others run its jobs; otherwise check its log and its machine", "patience",
)  # fmt: skip
WORKER_WITHOUT_REDIS = ConditionKind(
    "worker_without_redis", Severity.WARNING, "cannot reach Redis", "can it reach REDIS_URL?", "patience"
)
WORKER_WITHOUT_BROKER = ConditionKind(
    "worker_no_broker",
    Severity.WARNING,
    "cannot reach the broker",
    "can it reach BROKER_URL?",
    "patience",
)
UNCONSUMED_QUEUE = ConditionKind(
    "unconsumed_queue", Severity.ERROR, "no worker consumes the queue",
    "start the service that has it in --queues", "patience",
)  # fmt: skip
OLD_QUEUE = ConditionKind(
    "old_queue",
    Severity.WARNING,
    "jobs wait too long",
    "start more workers, or check which tasks keep these busy",
)
UNKNOWN_TASK = ConditionKind(
    "unknown_task", Severity.WARNING, "no worker knows the task",
    "during a deploy, nothing; afterwards deploy the code that has the task, or discard the jobs", "queue_age",
)  # fmt: skip
DEAD_LETTERS = ConditionKind(
    "dead_letters", Severity.WARNING, "dead letters",
    "python manage.py jobs list --state dead; then retry or discard",
)  # fmt: skip
MESSAGES_PUT_ASIDE = ConditionKind(
    "messages_put_aside", Severity.WARNING, "messages that no worker can read",
    "python manage.py jobs messages; then requeue those whose task is deployed by now, and drop the rest",
)  # fmt: skip
FOREIGN_LEDGER = ConditionKind(
    "foreign_ledger", Severity.ERROR, "another deployment takes our messages",
    "set REDIS_PREFIX in one of the two, for all its processes", "patience",
)  # fmt: skip
MAINTENANCE = ConditionKind(
    "maintenance", Severity.WARNING, "maintenance mode",
    "set MAINTENANCE to false in web and workers when the site may open and jobs may run", "queue_age",
)  # fmt: skip

PAUSED = ConditionKind(
    "paused", Severity.WARNING, "paused",
    "if its reason is gone, resume it: python manage.py jobs resume --queue NAME, or --task NAME",
)  # fmt: skip

OF_WORKERS = (NO_WORKER, SILENT_WORKER, UNCONSUMED_QUEUE)
WITHOUT_BROKER = (WORKER_WITHOUT_REDIS, WORKER_WITHOUT_BROKER)
IN_BROKER = (*WITHOUT_BROKER, MESSAGES_PUT_ASIDE, FOREIGN_LEDGER)
KINDS = {
    kind.name: kind
    for kind in (
        POSTGRES_DOWN, REDIS_DOWN, BROKER_DOWN, *OF_WORKERS, OLD_QUEUE, UNKNOWN_TASK, DEAD_LETTERS, PAUSED, MAINTENANCE, *IN_BROKER,
        *of_cronjobs.KINDS,
    )
}  # fmt: skip
# As it should be while jobs are held.
OF_WAITING = {UNCONSUMED_QUEUE, OLD_QUEUE, of_cronjobs.NOT_STARTED, of_cronjobs.NO_SUCCESS}
OF_CRONJOBS = frozenset(kind.name for kind in of_cronjobs.KINDS)


def kind_of(name: str) -> ConditionKind:
    """Return a kind by its name; an incident may be of one that a deploy has removed."""
    return KINDS.get(name) or ConditionKind(name, Severity.WARNING, name.replace("_", " "), "")


@dataclass(frozen=True)
class Account:
    """Everything that is wrong. Of `unknown` kinds nobody could tell: those are neither wrong nor over."""

    conditions: Sequence[Condition]
    unknown: Sequence[ConditionKind] = ()


def find(snapshot: Snapshot) -> Account:
    """Find everything that is wrong, the worst first; the broker is asked, PostgreSQL was."""
    unknown: list[ConditionKind] = []
    try:
        in_it = list(in_broker(snapshot))
    except broker.errors():
        in_it = [broker_down()]
        unknown += IN_BROKER
    if not snapshot.alive:
        unknown += (SILENT_WORKER, UNCONSUMED_QUEUE)  # what is to be said of them is said of all workers
    found = [
        *in_it,
        *of_workers(snapshot),
        *(condition for report in snapshot.reports for condition in report.conditions),
        *of_queues(snapshot),
        *unknown_tasks(snapshot),
        *dead_letters(snapshot),
        *paused(snapshot),
    ]
    if settings.MAINTENANCE:
        found = [in_maintenance(), *(each for each in found if each.kind not in OF_WAITING)]
    return Account(sorted(found, key=lambda each: -each.kind.severity), unknown)


def postgres_down() -> Condition:
    text = "PostgreSQL does not answer: pages fail, nothing can be enqueued, and running jobs cannot finish"
    return Condition(POSTGRES_DOWN, "PostgreSQL", text)


def broker_down() -> Condition:
    """Return it under the name that alerts know: `redis_down` where it is Redis, which it says of no other broker."""
    text = f"{broker.name()} does not answer: jobs wait in PostgreSQL until it does, and none is lost"
    return Condition(REDIS_DOWN if broker.has_redis() else BROKER_DOWN, broker.name(), text)


def in_maintenance() -> Condition:
    text = "MAINTENANCE is true: visitors get 503, and jobs are kept, but none runs"
    return Condition(MAINTENANCE, "MAINTENANCE", text)


def of_workers(snapshot: Snapshot) -> Iterator[Condition]:
    if not snapshot.alive:
        since = max((worker.heartbeat_at for worker in snapshot.silent), default=None)
        yield Condition(NO_WORKER, "workers", "no worker is running: jobs are kept, but none runs", since)
        return
    for worker in snapshot.silent:
        yield Condition(SILENT_WORKER, str(worker), "has sent no heartbeat", worker.heartbeat_at)
    for queue in sorted({*snapshot.expected, *snapshot.waiting} - set(snapshot.consumed)):
        depth = snapshot.depths.get(queue)
        jobs = f": {counted(depth.waiting, 'job')} waiting" if depth and depth.waiting else ""
        since = depth.oldest_at if depth else None
        yield Condition(UNCONSUMED_QUEUE, queue, f"no worker consumes this queue{jobs}", since)


def of_queues(snapshot: Snapshot) -> Iterator[Condition]:
    """Yield the queues whose first job has waited for too long, whether or not somebody consumes them."""
    for queue, depth in snapshot.unpaused.items():
        if depth.oldest_at and (snapshot.now - depth.oldest_at).total_seconds() > conf().queue_age:
            text = f"{counted(depth.waiting, 'job')} waiting: it is behind"
            yield Condition(OLD_QUEUE, queue, text, depth.oldest_at)


def paused(snapshot: Snapshot) -> Iterator[Condition]:
    """Yield what a person has paused: as it should be, but not for ever."""
    for each in snapshot.pauses:
        jobs = counted(pauses.paused_jobs(each, snapshot.tallies), "job")
        text = f"paused by {each.paused_by}: {each.reason}; {jobs} waiting"
        yield Condition(PAUSED, str(each), text, each.paused_at)


def unknown_tasks(snapshot: Snapshot) -> Iterator[Condition]:
    """Yield the tasks that no worker's code knows; during a deploy that is as it should be."""
    for each in snapshot.refused:
        text = f"{counted(each.jobs, 'job')}: {each.reason}"
        yield Condition(UNKNOWN_TASK, each.task, text, each.since)


def dead_letters(snapshot: Snapshot) -> Iterator[Condition]:
    for task in sorted({tally.task for tally in snapshot.tallies if tally.state == "dead"}):
        dead = [each for each in snapshot.tallies if each.task == task and each.state == "dead"]
        count = sum(each.jobs for each in dead)
        text = f"{counted(count, 'dead letter')} {'waits' if count == 1 else 'wait'} for your decision"
        if reason := snapshot.reasons.get(task):
            text += f"; the newest: {reason}"
        first = min(each.first_end_at for each in dead if each.first_end_at)
        yield Condition(
            DEAD_LETTERS, task, text, first, max(each.last_end_at for each in dead if each.last_end_at)
        )


def in_broker(snapshot: Snapshot) -> Iterator[Condition]:
    """Yield what only the broker knows, and which workers do not reach it although we do. Raises its errors."""
    newest = unreadable_store.kept(1)
    without = WORKER_WITHOUT_REDIS if broker.has_redis() else WORKER_WITHOUT_BROKER
    for worker in snapshot.alive:
        if worker.broker_away_since:
            text = f"cannot reach {broker.name()}, which answers here"
            yield Condition(without, str(worker), text, worker.broker_away_since)
    if newest:
        count, last = counted(unreadable_store.how_many(), "message"), newest[0]
        text = f"{count} put aside that no worker can read; the newest, of queue {last.queue}: {last.reason}"
        yield Condition(MESSAGES_PUT_ASIDE, broker.name(), text, last_at=datetime.fromisoformat(last.at))
    for database in other_ledgers.others():
        yield Condition(FOREIGN_LEDGER, database, other_ledgers.text(database))


PLACES = {
    DEAD_LETTERS.name: ("jobs", "?state=dead"),
    UNKNOWN_TASK.name: ("jobs", "?state=pending"),
    MESSAGES_PUT_ASIDE.name: ("messages", ""),
    **{kind.name: ("index", "#services") for kind in (*OF_WORKERS, *WITHOUT_BROKER)},
}


OF_TASKS = {DEAD_LETTERS.name, UNKNOWN_TASK.name}


def path_of(kind: str, subject: str) -> str:
    """Return where the ops pages show a condition."""
    if kind in OF_CRONJOBS:
        return reverse("offbeat_ops:cronjob", args=[subject])
    page, rest = PLACES.get(kind, ("index", "#queues"))
    task = f"&{urlencode({'task': subject})}" if kind in OF_TASKS else ""
    return reverse(f"offbeat_ops:{page}") + rest + task
