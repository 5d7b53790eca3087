"""Workers in the ledger: who they are, that they live, and what becomes of the jobs of those that died."""

from __future__ import annotations

import json
import logging
import os
import socket
import uuid
from typing import TYPE_CHECKING, cast

from offbeat.jobs import code, recovery, sessions, sql
from offbeat.jobs.conf import conf
from offbeat.jobs.models import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from offbeat.jobs.silence import Sign, SilenceWatch

logger = logging.getLogger(__name__)

_me = uuid.uuid4()  # made in the main process; its children inherit it by fork


def current() -> uuid.UUID:
    """Return the id of the worker that this process belongs to."""
    return _me


def become(worker: uuid.UUID) -> None:
    """Belong to a worker whose main process was not forked to make this one."""
    global _me  # noqa: PLW0603  said once, when the process starts
    _me = worker


BEAT = """
    INSERT INTO offbeat_jobs_worker (id, hostname, pid, queues, concurrency, version, code, tasks, busy, stopping,
        broker_away_since)
    VALUES (%(id)s, %(hostname)s, %(pid)s, %(queues)s::jsonb, %(concurrency)s, %(version)s, %(code)s, %(tasks)s::jsonb,
        %(busy)s, %(stopping)s, now() - make_interval(secs => %(broker_away)s))
    ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), busy = excluded.busy, stopping = excluded.stopping,
        broker_away_since = excluded.broker_away_since
    RETURNING clock_timestamp()
"""


def beat(*, queues: str, concurrency: int, busy: int, stopping: bool, broker_away: float | None) -> datetime:
    """Say that this worker lives, and return PostgreSQL's time.

    `queues` is a JSON list, `broker_away` seconds since Redis was lost, or None. A worker that was declared lost while its machine
    was stopped appears again: its late attempts are fenced off anyway.
    """
    values = {
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
    }
    return cast("datetime", sql.fetch_one(BEAT, values)[0])


def leave_ledger() -> None:
    """Remove this worker: it has stopped, and nothing runs in it any more."""
    Worker.objects.filter(pk=_me).delete()


# Compared with what was seen: a worker that has beaten since is none of them.
FREE = """
    SELECT id FROM offbeat_jobs_worker JOIN unnest(%s::uuid[], %s::timestamptz[]) AS silent (id, heartbeat_at)
        USING (id, heartbeat_at)
    FOR UPDATE OF offbeat_jobs_worker SKIP LOCKED
"""
LOST = f"DELETE FROM offbeat_jobs_worker WHERE id IN ({FREE}) RETURNING id, hostname, pid"  # noqa: S608  a constant


def recover_lost(watch: SilenceWatch, now: datetime) -> int:
    """Declare workers lost that have been silent for too long, and make their jobs due again; return how many jobs.

    1. delete the rows of the workers;
    2. end their sessions: a machine that stands still keeps its locks;
    3. make their jobs due again.
    Death in between: the jobs have a worker without a row, and are adopted by the next reconciler.
    """
    timeout = conf().heartbeat_timeout
    silence = watch.silence(now)
    restart_timing(
        watch, [sign for sign, seconds in silence.items() if seconds > 2 * conf().heartbeat_interval]
    )
    silent = [sign for sign, seconds in silence.items() if seconds > timeout]
    lost = delete_lost([sign for sign in silent if sign.is_known])
    gone = [sign.worker for sign in silent if not sign.is_known]  # left, and did not hand them back
    if lost or gone:
        sessions.end_lost([*lost, *gone])
    return _recover(lost, f"its worker sent no heartbeat for {timeout:g} s") + _recover(
        gone, "its worker no longer exists"
    )


def restart_timing(watch: SilenceWatch, late: Sequence[Sign]) -> None:
    """Time those anew whose rows somebody holds, long before they count as lost: they need a beat when their rows are free."""
    if known := [sign for sign in late if sign.is_known]:
        free = {row[0] for row in sql.fetch_all(FREE, _columns(known))}
        watch.restart([sign for sign in known if sign.worker not in free])


def delete_lost(silent: Sequence[Sign]) -> list[uuid.UUID]:
    if not silent:
        return []
    lost = sql.fetch_all(LOST, _columns(silent))
    for worker, hostname, pid in lost:
        logger.warning(
            "worker %s (%s) is lost", hostname, pid, extra={"action": "worker_lost", "worker": str(worker)}
        )
    return [row[0] for row in lost]


def _columns(signs: Sequence[Sign]) -> tuple[list[uuid.UUID], list[datetime]]:
    return [sign.worker for sign in signs], [sign.at for sign in signs]


def _recover(workers: Sequence[uuid.UUID], reason: str) -> int:
    return recovery.recover_workers(workers, reason) if workers else 0
