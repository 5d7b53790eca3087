"""The queues that somebody consumes: a job of any other would wait for ever, and nobody would hear of it."""

from __future__ import annotations

from difflib import get_close_matches
from functools import lru_cache

from celery import current_app

from offbeat.identity import platform_queues
from offbeat.jobs.arguments import text_problem
from offbeat.jobs.models import Worker


@lru_cache(maxsize=1)
def known() -> frozenset[str]:
    """Return the queues of platform.yaml, of CELERY_TASK_QUEUES, and the default one."""
    configured = (getattr(each, "name", each) for each in current_app.conf.task_queues or ())
    return platform_queues() | {str(each) for each in configured} | {default()}


@lru_cache(maxsize=1)
def default() -> str:
    """Return the queue of tasks that name none; who enqueues into it reads no platform.yaml."""
    return str(current_app.conf.task_default_queue)


# Of workers that platform.yaml does not have: found once, such a queue is taken as consumed.
_found: set[str] = set()


def check_queue(task: str, queue: str) -> None:
    """Raise ValueError for a queue that no service of platform.yaml consumes, nor any worker that lives."""
    if queue == default() or queue in known() or queue in _found or not platform_queues_are_told():
        return
    if odd := text_problem(queue):
        raise ValueError(f"{task}: queue {odd}.")
    if Worker.objects.filter(queues__contains=[queue]).exists():
        _found.add(queue)
        return
    raise ValueError(f"{task}: {problem(queue)}")


def problem(queue: str) -> str:
    """Return what is wrong with a queue that nobody consumes."""
    nearest = get_close_matches(queue, known(), n=1)
    meant = f' Did you mean "{nearest[0]}"?' if nearest else ""
    return (
        f'no service consumes the queue "{queue}".{meant} There are: {", ".join(sorted(known()))}. '
        "Hint: for a new one, add it to `queues` and to the command of a worker in platform.yaml."
    )


@lru_cache(maxsize=1)
def platform_queues_are_told() -> bool:
    """Tell whether platform.yaml says what is consumed: a project without the template has none."""
    return bool(platform_queues() or current_app.conf.task_queues)
