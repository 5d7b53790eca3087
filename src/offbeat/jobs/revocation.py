"""`app.control.revoke(job.pk)`: cancels a job in the ledger, with `terminate=True` one that runs, too, as a person's cancel does.

Celery's own revoking is a message that the workers of this moment remember: of a job that waits in PostgreSQL, or is published
again, none of them would know. It needs `WORKER_REMOTE_CONTROL`; to cancel a job needs none.
"""

from __future__ import annotations

import contextlib
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.app.control import TERM_SIGNAME, Control
from celery.utils.functional import maybe_list
from django.db import transaction

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        """Cancel the jobs, in the caller's transaction; tell the workers, as Celery does, when it is committed.

        Without `terminate` a job that runs goes on, as a task of Celery's does. With it the job's worker ends the attempt: `signal`
        is for plain tasks, because only the ledger knows whether a process is still at this job.
        """
        cancel(uuids(task_id), terminate=terminate)
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


def cancel(job_ids: Iterable[uuid.UUID], *, terminate: bool = False) -> None:
    """Cancel those that wait, with `terminate` those that run, too; what has ended stays as it is, a dead letter too."""
    # Here, because `celery status` and its like make a JobsControl, and load no models.
    from offbeat.jobs import cancellation, decisions  # noqa: PLC0415
    from offbeat.jobs.models import Job  # noqa: PLC0415

    states = [*Job.STARTABLE, *([Job.State.RUNNING] if terminate else [])]
    for job_id in Job.objects.filter(pk__in=list(job_ids), state__in=states).values_list("pk", flat=True):
        if terminate:
            cancellation.cancel(job_id, REASON)
        else:
            decisions.discard(job_id, REASON)
