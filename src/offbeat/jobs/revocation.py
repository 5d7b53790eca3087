"""`app.control.revoke(job.pk)`: cancels a job in the ledger, as a person's discard does, and terminates one that runs.

Celery's own revoking is a word that the workers of this moment remember: of a job that waits in PostgreSQL, or is published
again, none of them would know. It needs `WORKER_REMOTE_CONTROL`; to cancel what does not run needs no worker at all.
"""

from __future__ import annotations

import contextlib
import logging
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.app.control import TERM_SIGNAME, Control
from celery.utils.functional import maybe_list
from django.db import transaction

from offbeat.jobs import decisions
from offbeat.jobs.models import Job

if TYPE_CHECKING:
    from collections.abc import Iterable

logger = logging.getLogger(__name__)

REASON = "revoked"


class JobsControl(Control):
    """Celery's remote control, whose `revoke` also cancels jobs."""

    def revoke(
        self,
        task_id: Any,
        destination: Any = None,
        terminate: bool = False,
        signal: str = TERM_SIGNAME,
        **options: Any,
    ) -> Any:
        """Cancel the jobs that do not run, in the caller's transaction; tell the workers, as Celery does, when it is committed."""
        job_ids = uuids(task_id)
        cancel(job_ids)
        if terminate and not self.app.conf.worker_enable_remote_control:
            warn_of_running(job_ids)
        names = [str(each) for each in maybe_list(task_id) or ()]  # `job.pk` is no text, as Celery's ids are
        tell = partial(super().revoke, names, destination, terminate, signal, **options)
        if options.get("reply"):  # somebody waits for it
            return tell()
        return transaction.on_commit(tell)


def uuids(task_ids: Any) -> list[uuid.UUID]:
    """Return those of Celery's ids, given as it takes them, that may be jobs."""
    found = []
    for each in maybe_list(task_ids) or ():
        with contextlib.suppress(ValueError):
            found.append(uuid.UUID(str(each)))
    return found


def cancel(job_ids: Iterable[uuid.UUID]) -> None:
    """Cancel those that wait; a dead letter stays one, as what has ended stays with Celery."""
    waiting = Job.objects.filter(pk__in=list(job_ids), state__in=[Job.State.PENDING, Job.State.PUBLISHED])
    for job_id in waiting.values_list("pk", flat=True):
        decisions.discard(job_id, REASON)


def warn_of_running(job_ids: Iterable[uuid.UUID]) -> None:
    """Say of running jobs that they may go on: whether a worker listens, this process can only guess by its own settings."""
    running = Job.objects.filter(pk__in=list(job_ids), state=Job.State.RUNNING)
    for job_id, task in running.values_list("pk", "task"):
        logger.warning(
            "%s %s runs: only a worker with WORKER_REMOTE_CONTROL=true can be told to terminate it",
            task,
            job_id,
            extra={"action": "revoke_unheard", "job": str(job_id)},
        )
