"""Queues, workers and cronjobs for other programs, read from the ledger as the pages do: no worker is asked."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from celery import current_app

from offbeat.cronjobs import statuses
from offbeat.cronjobs.clock import database_now
from offbeat.identity import platform_queues
from offbeat.jobs import pauses, queries
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Pause, Worker


def queues() -> list[dict[str, Any]]:
    now, depths = database_now(), queries.depths(queries.tallies())
    consumers = Counter(
        queue for worker in queries.living_workers() if not worker.stopping for queue in worker.queues
    )
    paused = {each.name for each in pauses.all_pauses() if each.kind == Pause.Kind.QUEUE}
    names = {*depths, *consumers, *paused, *platform_queues(), str(current_app.conf.task_default_queue)}
    found = ((name, depths.get(name, queries.Depth())) for name in sorted(names))
    return [
        {
            "name": name,
            "waiting": depth.waiting,
            "later": depth.later,
            "running": depth.running,
            "dead": depth.dead,
            "oldest_age_seconds": (now - depth.oldest_at).total_seconds() if depth.oldest_at else None,
            "consumers": consumers[name],
            "is_paused": name in paused,
        }
        for name, depth in found
    ]


def workers() -> list[dict[str, Any]]:
    oldest = database_now() - timedelta(seconds=conf().heartbeat_timeout)
    return [
        {
            "name": str(each),
            "queues": each.queues,
            "concurrency": each.concurrency,
            "busy": each.busy,
            "version": each.version,
            "started_at": each.started_at,
            "heartbeat_at": each.heartbeat_at,
            "is_alive": each.heartbeat_at >= oldest,
            "is_stopping": each.stopping,
        }
        for each in Worker.objects.order_by("hostname", "pid")
    ]


def cronjobs() -> list[dict[str, Any]]:
    return [
        {
            "name": each.name,
            "schedule": each.row.schedule,
            "timezone": each.row.timezone,
            "next_slot": each.next_slot,
            "last_fire_at": each.row.last_fire_at,
            "last_success_at": each.row.last_success_at,
            "is_paused": each.is_paused,
            "conditions": [f"{one.kind.title}: {one.text}" for one in each.conditions],
        }
        for each in statuses.reports()
        if not each.is_removed
    ]
