"""A message whose task no code here knows: its job becomes a dead letter that says so."""

from __future__ import annotations

import uuid
from typing import Any

from celery import signals
from django.db import connection, transaction

from jobs import batches
from jobs.message import JOB_HEADER
from jobs.signals import job_dead
from jobs.worker import keeper

BURY = """
    UPDATE jobs_job SET state = 'dead', finished_at = clock_timestamp(), reason = %s
    WHERE id = %s AND state IN ('pending', 'published') RETURNING batch_id
"""


@signals.task_unknown.connect
def bury_unknown(message: Any = None, name: str = "", id: str = "", **_: Any) -> None:  # noqa: A002  Celery's name
    """Bury it from the keeper's thread: the event loop must not wait for PostgreSQL."""
    if message is not None and message.headers.get(JOB_HEADER):
        keeper.submit(lambda: bury(uuid.UUID(id), name))


def bury(job_id: uuid.UUID, name: str) -> None:
    """Make a job that was not started a dead letter; one that another worker executes is left to it."""
    reason = (
        f"no task {name} is known to the worker: deploy the code that has it, then retry; or discard the job"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(BURY, [reason, job_id])
        row = cursor.fetchone()
        if row and row[0]:
            batches.count(row[0], succeeded=False)
    if row:
        job_dead.send_robust(name, job_id=job_id, reason=reason)
