"""Pauses: while a queue or a task is paused no attempt of its jobs starts, anywhere; what runs goes on, and all else waits.

1. `pause` writes a row: from its commit on the statement that starts a job refuses (`offbeat.jobs.guard`);
2. within about a second each worker knows, and takes no more messages of a paused queue: they wait in Redis, plain ones too;
3. a job whose message arrives all the same, as those of a paused task do, waits in PostgreSQL and is published no more;
4. `resume` removes the row; within about a second a worker publishes what 3 has held, and takes messages again.
Death at any point: the rows say what is paused and what waits for it, and any worker goes on from there.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from celery import current_app

from offbeat.jobs import broker, code, queries, queue_names, relay, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.models import PAUSED, Job, Pause, Worker
from offbeat.jobs.tasks_backend import registry
from offbeat.jobs.tasks_backend.outcomes import UnknownTaskError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from offbeat.jobs.relay import ClaimedJob

LONGEST_REASON = 500  # characters: it is a line of mails and pages
LONGEST_NAME = 255  # characters, of a task as of a queue


class UnknownNameError(ValueError):
    """No worker, no job and no code here knows a queue or a task of this name: correct it, or pause it all the same."""


def pause(kind: str, name: str, reason: str, by: str, *, is_known: bool = False) -> tuple[Pause, bool]:
    """Pause a queue or a task; return the pause, and whether it is a new one: somebody else may have been faster.

    Raises ValueError without a reason or a name that can be one, and UnknownNameError, unless `is_known` says that the name is
    right: the task may be one that is still to be deployed.
    """
    reason = " ".join(reason.replace("\0", " ").split())[:LONGEST_REASON]
    if not reason:
        raise ValueError(f"{kind} {name}: a pause needs a reason, for other people to read.")
    if not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"the name of a {kind} has 1 to {LONGEST_NAME} characters, got {len(name)}.")
    if not is_known:
        _require_known(kind, name)
    return Pause.objects.get_or_create(
        kind=kind, name=name, defaults={"reason": reason, "paused_by": by[:150]}
    )


def resume(kind: str, name: str) -> bool:
    """End a pause; tell whether there was one."""
    deleted, _ = Pause.objects.filter(kind=kind, name=name).delete()
    return bool(deleted)


def all_pauses() -> list[Pause]:
    return list(Pause.objects.order_by("kind", "name"))


def pause_of(pauses: Iterable[Pause], queue: str, task: str) -> Pause | None:
    """Return the first of the pauses that holds jobs of this queue and task."""
    names = {Pause.Kind.QUEUE: queue, Pause.Kind.TASK: task}
    return next((each for each in pauses if names.get(Pause.Kind(each.kind)) == each.name), None)


def holding(job: Job) -> Pause | None:
    """Return the pause for which a job waits, None for one that runs, has ended, or waits for something else."""
    return pause_of(all_pauses(), job.queue, job.task) if job.state in Job.STARTABLE else None


def _require_known(kind: str, name: str) -> None:
    known = known_queues() if kind == Pause.Kind.QUEUE else known_tasks()
    if name in known or (kind == Pause.Kind.TASK and _is_importable(name)):
        return
    likely = difflib.get_close_matches(name, known, n=5) or sorted(known)[:20]
    raise UnknownNameError(f"there is no {kind} {name!r}. Known here: {', '.join(likely) or 'none'}.")


def known_queues() -> set[str]:
    """Return the queues of platform.yaml and the settings, of the workers, and of the jobs that are not finished."""
    of_workers = [queue for queues in Worker.objects.values_list("queues", flat=True) for queue in queues]
    of_jobs = [each.queue for each in queries.tallies()]
    return {*queue_names.known(), *of_workers, *of_jobs}


def known_tasks() -> set[str]:
    """Return the tasks of this code, of the workers, and of the jobs that are not finished."""
    current_app.autodiscover_tasks(force=True)
    of_workers = [task for tasks in Worker.objects.values_list("tasks", flat=True) for task in tasks]
    of_jobs = [each.task for each in queries.tallies()]
    return {*code.tasks(), *registry.known, *of_workers, *of_jobs}


def _is_importable(path: str) -> bool:
    """Tell whether a task of Django's stands at a path, whose module nobody has imported yet."""
    try:
        return bool(registry.find(path))
    except (UnknownTaskError, ValueError):
        return False


# Spelled out, so that PostgreSQL finds them by the index of those that a pause holds; a percent sign is doubled beside values.
IS_PAUSED = f"state = 'pending' AND reason LIKE '{PAUSED}%%'"
# What holds jobs, each looked up once in the index, however many jobs it holds; of those, what is no longer paused.
RELEASED = f"""
    WITH RECURSIVE held AS (
        (SELECT reason FROM offbeat_jobs_job WHERE {IS_PAUSED} ORDER BY reason LIMIT 1)
        UNION ALL
        SELECT (SELECT reason FROM offbeat_jobs_job WHERE {IS_PAUSED} AND reason > held.reason ORDER BY reason LIMIT 1)
        FROM held WHERE held.reason IS NOT NULL
    )
    SELECT reason FROM held WHERE reason IS NOT NULL
        AND NOT EXISTS (SELECT FROM offbeat_jobs_pause WHERE %s || kind || ' ' || name = held.reason)
"""  # noqa: S608  constants
# Of a task, and where messages cannot be put in front: the longest due first, behind what waits in the queue. Of a queue: in front
# of it, where they were taken from, with the time that they have had there (what is older than the oldest message is taken for
# lost), the last of them first.
CLAIM = f"""
    UPDATE offbeat_jobs_job SET state = 'published', reason = '', published_at = {{published_at}} WHERE id IN (
        SELECT id FROM offbeat_jobs_job WHERE {IS_PAUSED} AND reason = %s
        ORDER BY {{order}} LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING {relay.CLAIMED}
"""  # noqa: S608  constants
CLAIM_OF_TASK = CLAIM.format(published_at="now()", order="priority DESC, due_at")
CLAIM_OF_QUEUE = CLAIM.format(
    published_at="coalesce(published_at, now())", order="published_at DESC NULLS LAST"
)


def release() -> int:
    """Publish what pauses have held that are over, for half a heartbeat's interval at most each; return how many jobs.

    Raises BrokerAwayError: what was claimed is due then, and the relay publishes it.
    """
    released = [reason for (reason,) in sql.fetch_all(RELEASED, [PAUSED])]
    return sum(_release(reason) for reason in released)


def _release(reason: str) -> int:
    in_front = has_front() and reason.removeprefix(PAUSED).startswith(f"{Pause.Kind.QUEUE} ")
    statement = CLAIM_OF_QUEUE if in_front else CLAIM_OF_TASK

    def claim() -> list[ClaimedJob]:
        found = relay.execute_claim(statement, reason, conf().relay_batch)
        return sorted(found, key=_age, reverse=in_front)

    return relay.publish_batches(claim, in_front=in_front)[0]


def has_front() -> bool:
    """Tell whether messages can be put in front of those that wait: only a list of Redis' has a front."""
    return broker.has_redis()


def _age(job: ClaimedJob) -> tuple[Any, ...]:
    return job.published_at, job.id


def paused_queues() -> frozenset[str]:
    return frozenset(Pause.objects.filter(kind=Pause.Kind.QUEUE).values_list("name", flat=True))


def paused_jobs(pause: Pause, tallies: Sequence[queries.Tally]) -> int:
    """Return how many jobs wait for the end of a pause, by what is known of the unfinished ones."""
    return sum(
        each.due
        for each in tallies
        if each.state in Job.STARTABLE and pause_of([pause], each.queue, each.task)
    )
