"""Celery's remote control commands, as far as they concern jobs."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.worker import control

from offbeat.jobs import revocation
from offbeat.jobs.worker.state import worker_state

_revoke = control.revoke  # Celery's own


@control.control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(
    state: Any, task_id: Any, terminate: bool = False, signal: str | None = None, **options: Any
) -> Any:
    """Revoke by id (or list of ids); cancel those that are jobs, whoever sends the command."""
    if job_ids := revocation.uuids(task_id):
        worker_state.submit(partial(revocation.cancel, job_ids, terminate=terminate))
    return _revoke(state, task_id, terminate=terminate, signal=signal, **options)
