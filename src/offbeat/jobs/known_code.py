"""What the code of the workers knows of its tasks, in the ledger: for those who enqueue by SQL, and have no Python of the project.

`offbeat_enqueue`, a function of the database, takes a task's queue, priority and attempts from the newest code that knows it.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from celery import current_app

from offbeat.jobs import code, queue_names, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.enqueuer import own_priority, queue_of
from offbeat.jobs.error_text import line
from offbeat.jobs.message import RUNNER
from offbeat.jobs.tasks_backend import registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Task

    from offbeat.jobs.tasks_backend.interface import Task as DjangoTask

INTERVAL = 300.0  # seconds: in a rolling deploy the code that stays is the newest soon
FORGOTTEN = "1 day"  # longer than any deploy; the code that runs is announced anew all the time

ANNOUNCE = """
    INSERT INTO offbeat_jobs_knowncode (fingerprint, defaults, queues, tasks)
    VALUES (%(fingerprint)s, %(defaults)s::jsonb, %(queues)s::jsonb, %(tasks)s::jsonb)
    ON CONFLICT (fingerprint) DO UPDATE SET announced_at = now(),
        defaults = excluded.defaults, queues = excluded.queues, tasks = excluded.tasks
"""
FORGET = f"""
    DELETE FROM offbeat_jobs_knowncode WHERE fingerprint IN (
        SELECT fingerprint FROM offbeat_jobs_knowncode WHERE announced_at < now() - interval '{FORGOTTEN}'
        FOR UPDATE SKIP LOCKED)
"""  # noqa: S608  a constant


def announce() -> None:
    """Say what this worker's code knows, and forget code that no worker has had for a day."""
    queues = sorted(queue_names.known()) if queue_names.platform_queues_are_told() else None
    defaults = {
        "queue": queue_names.default(),
        "max_attempts": conf().max_attempts,
        "key_wait": conf().key_wait,
    }
    values = {"fingerprint": code.fingerprint(), "defaults": defaults, "queues": queues, "tasks": outlines()}
    texts = {name: each if isinstance(each, str) else json.dumps(each) for name, each in values.items()}
    sql.execute(ANNOUNCE, texts)
    sql.execute(FORGET)


def outlines() -> dict[str, dict[str, Any]]:
    """Return what a job of each task gets where its producer says nothing else: Celery's tasks, and those of Django's."""
    celerys = {name: _outlined(outline, current_app.tasks[name]) for name in code.tasks()}
    djangos = {path: _outlined(outline_of_djangos, task) for path, task in sorted(registry.known.items())}
    return celerys | djangos


def _outlined(describe: Callable[[Any], dict[str, Any]], task: Any) -> dict[str, Any]:
    """Return what is known of a task; of one that nobody can enqueue, why not: it must not spoil the others."""
    try:
        return describe(task)
    except Exception as error:  # noqa: BLE001  whatever its options are
        return {"problem": line(error)}


def outline(task: Task) -> dict[str, Any]:
    return {
        "queue": queue_of(task),
        "priority": own_priority(task),
        "max_attempts": task.max_attempts or conf().max_attempts,
    } | _ending(task.expires)


def outline_of_djangos(task: DjangoTask) -> dict[str, Any]:
    # A worker without such tasks does not pay for them.
    from offbeat.jobs.tasks_backend import calls, queue  # noqa: PLC0415
    from offbeat.jobs.tasks_backend.task import option  # noqa: PLC0415

    keys = {name: option(task, name) for name in ("key", "concurrency_key")}
    if computed := [name for name, each in keys.items() if callable(each)]:
        # A job without it would run beside another one.
        return {
            "problem": f"its {computed[0]} is a function of its arguments, which only the project's Python can call"
        }
    return {
        "queue": queue.queue_of(task),
        "priority": int(task.priority),
        "max_attempts": option(task, "max_attempts") or conf().max_attempts,
        "runner": RUNNER,
        "options": calls.own_options(task, task.backend),
        "when_busy": option(task, "when_busy"),
    } | keys | _ending(option(task, "not_after"))  # fmt: skip


def _ending(expires: Any) -> dict[str, Any]:
    """Return until when a job may start, as a time, or as seconds from its enqueueing."""
    if not expires:
        return {}
    if isinstance(expires, datetime):
        return {"not_after": expires.astimezone().isoformat()}
    return {"expires": expires.total_seconds() if isinstance(expires, timedelta) else float(expires)}
