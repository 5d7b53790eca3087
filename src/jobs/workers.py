"""Workers in the ledger: who they are, that they live, and what becomes of the jobs of those that died."""

from __future__ import annotations

import json
import logging
import os
import socket
import uuid
from typing import TYPE_CHECKING

from django.db import connection

from jobs import code, recovery
from jobs.conf import conf
from jobs.models import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

_me = uuid.uuid4()  # made in the main process; its children inherit it by fork


def current() -> uuid.UUID:
    """Return the id of the worker that this process belongs to."""
    return _me


BEAT = """
    INSERT INTO jobs_worker (id, hostname, pid, queues, concurrency, version, code, tasks, busy, stopping,
        broker_away_since)
    VALUES (%(id)s, %(hostname)s, %(pid)s, %(queues)s::jsonb, %(concurrency)s, %(version)s, %(code)s, %(tasks)s::jsonb,
        %(busy)s, %(stopping)s, now() - make_interval(secs => %(broker_away)s))
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), busy = excluded.busy, stopping = excluded.stopping,
        broker_away_since = excluded.broker_away_since
"""


def beat(*, queues: str, concurrency: int, busy: int, stopping: bool, broker_away: float | None) -> None:
    """Say that this worker lives; `queues` is a JSON list, `broker_away` seconds since Redis was lost, or None.

    A worker that was declared lost while its machine was stopped appears again: its late attempts are fenced off anyway.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            BEAT,
            {
                "id": _me,
                "hostname": socket.gethostname(),
                "pid": os.getpid(),
                "queues": queues,
                "concurrency": concurrency,
                "version": code.version(),
                "code": code.fingerprint(),
                "tasks": json.dumps(code.tasks()),
                "busy": busy,
                "stopping": stopping,
                "broker_away": broker_away,
            },
        )


def say_goodbye() -> None:
    """Remove this worker: it has stopped, and nothing runs in it any more."""
    Worker.objects.filter(pk=_me).delete()


LOST = """
    DELETE FROM jobs_worker WHERE id IN (
        SELECT id FROM jobs_worker WHERE heartbeat_at < now() - make_interval(secs => %s) FOR UPDATE SKIP LOCKED
    ) RETURNING id, hostname, pid
"""
ORPHANS = """
    SELECT DISTINCT worker FROM jobs_job WHERE state = 'running' AND worker IS NOT NULL
        AND started_at < now() - make_interval(secs => %s)
        AND NOT EXISTS (SELECT 1 FROM jobs_worker WHERE jobs_worker.id = worker)
"""


def bury_lost() -> int:
    """Declare workers lost whose heartbeat is too old, and make their jobs due again; return how many jobs.

    Death between the two: the jobs have a worker without a row, and are adopted by the next reconciler.
    """
    timeout = conf().heartbeat_timeout
    with connection.cursor() as cursor:
        cursor.execute(LOST, [timeout])
        lost = cursor.fetchall()
    for worker, hostname, pid in lost:
        logger.warning(
            "worker %s (%s) is lost",
            hostname,
            pid,
            extra={"action": "worker_lost", "worker": str(worker)},
        )
    reason = f"its worker gave no heartbeat for {timeout:g} s"
    return _recover([row[0] for row in lost], reason) + _adopt(timeout)


def _adopt(timeout: float) -> int:
    """Make jobs due again whose worker has no row: it left without handing them back."""
    with connection.cursor() as cursor:
        cursor.execute(ORPHANS, [timeout])
        return _recover([row[0] for row in cursor.fetchall()], "its worker is gone")


def _recover(workers: Sequence[uuid.UUID], reason: str) -> int:
    return recovery.workers_lost(workers, reason) if workers else 0
