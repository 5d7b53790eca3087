"""What the worker's main process knows of a message: it notices killed children and expired time limits, and has them recorded."""

from __future__ import annotations

import logging
import os
import re
import uuid
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING, Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import WorkerLostError
from celery.exceptions import Ignore, Retry, Terminated
from celery.platforms import signals
from celery.worker.request import Request
from celery.worker.state import task_ready

from offbeat.jobs import deliveries, lanes, recovery, sessions, soft_limit, workers
from offbeat.jobs.error_text import line, storable
from offbeat.jobs.execution import EndedError
from offbeat.jobs.lanes import CompanionLostError, LaneError, LostAnswerError, PostponedError
from offbeat.jobs.message import JOB_HEADER, PUBLISHED_HEADER
from offbeat.jobs.worker.state import worker_state
from offbeat.redaction import LONGEST_TRACEBACK, redact

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

RECOVERIES: dict[type[BaseException | None], Callable[..., bool]] = {
    CompanionLostError: recovery.hand_back_attempt,
    LostAnswerError: recovery.count_attempt,
}
# Of a child whose begin PostgreSQL refused (`offbeat.jobs.records`): at once, it would be refused again, as long as that lasts.
REFUSED = f"exitcode {os.EX_TEMPFAIL}"
POSTPONED = 5.0  # seconds until what waits to run alone comes again
KILLED = re.compile(r"(signal \d+ \(\w+\)|exitcode -?\d+)")


class JobRequest(Request):
    """A message in the main process. A job's is never requeued: the ledger publishes again what must run again."""

    @property
    def is_job(self) -> bool:
        return bool(self.request_dict.get(JOB_HEADER))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        hard, soft = self.request_dict.get("timelimit") or (None, None)
        self.time_limits = self._limits(hard, soft)

    def _limits(self, hard: float | None, soft: float | None) -> tuple[float | None, float | None]:
        """Return the hard and the soft limit in seconds, the soft one always below the hard one.

        Celery's pool looks at the hard limit only after the soft one: under a global soft limit of 540 s, a task with
        `time_limit=60` would run for 540 s.
        """
        conf = self.app.conf
        hard = hard or self.task.time_limit or conf.task_time_limit
        soft = soft or self.task.soft_time_limit or conf.task_soft_time_limit
        return hard, soft_limit.keep_below(hard, soft)

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """Note that it has begun. A broker that keeps messages need not keep a job's any longer: the ledger has it."""
        super().on_accepted(pid, time_accepted)
        if self.is_job and (settle := getattr(self.message.channel, "settle", None)):
            settle(self.message.delivery_tag)

    def revoked(self) -> bool:
        """Tell whether the message must not run; asked by Celery just before it does. A spent one is buried.

        Of a job the ledger knows: one that was revoked may have been retried by a person meanwhile.
        """
        worker_state.note_start()
        if self.is_job:
            return self._already_revoked
        if not deliveries.note_delivery(self):
            return bool(super().revoked())
        worker_state.submit(lambda: deliveries.bury(self))
        task_ready(self)
        self.acknowledge()
        return True

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """Kill the process of a revoked task; of a job the ledger was told. SIGTERM, Celery's default, the children ignore."""
        if self.is_job:
            return
        is_default = signal is None or signals.signum(signal) == SIGTERM
        super().terminate(pool, SIGKILL if is_default else signal)

    def reject(self, requeue: bool = False) -> None:
        """Give a message back; a job's is done with, for the ledger publishes again what must run again."""
        if self.is_job:
            self.acknowledge()
        else:
            super().reject(requeue)

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """Cancel on a lost connection, as for plain tasks. A job goes on: the ledger drops the second copy of its message.

        SIGQUIT, because the children ignore SIGTERM: some platforms send it to every process of the container.
        """
        if not self.is_job:
            super().cancel(pool, signal or "SIGQUIT", emit_retry)

    def send_event(self, type: str, **fields: Any) -> None:  # noqa: A002  Celery's name
        """Send an event to Flower and its like; what it says of an error has no secrets."""
        if self._eventer and self._eventer.enabled:
            fields = {name: redact(each) if isinstance(each, str) else each for name, each in fields.items()}
        super().send_event(type, **fields)

    def on_timeout(self, soft: bool, timeout: float) -> None:
        """Note a time limit that has passed. Of a job Celery would say that it has failed, and it may be tried again."""
        if soft or not self.is_job:
            super().on_timeout(soft, timeout)
        else:
            logger.error("Hard time limit (%ss) exceeded for %s[%s]", timeout, self.name, self.id)
            task_ready(self)
            self.acknowledge()
        if not soft:
            self._crashed(f"hard time limit of {timeout:g} s exceeded")

    def on_failure(
        self, exc_info: ExceptionInfo, send_failed_event: bool = True, return_ok: bool = False
    ) -> Any:
        error = _unwrapped(exc_info.exception)
        is_lost = isinstance(error, WorkerLostError) and not self._lives(error)
        if isinstance(error, MemoryError | WorkerLostError) and not is_lost:
            # Of the task, whose child lives. Celery would end the whole worker, or take the child for dead.
            exc_info.exception = EndedError(line(error))
        if is_lost:
            self._lost(error)
        if is_lost and not self.is_job and (self._already_cancelled or self._already_revoked):
            return None  # its connection is lost, and its message is delivered again: returned here, it would run twice
        if self.is_job and not is_lost:
            self._note_unbegun(error, exc_info)
        if not (self.is_job and is_lost):
            return super().on_failure(exc_info, send_failed_event, return_ok)
        task_ready(self)
        self.acknowledge()
        return None

    def _lives(self, error: BaseException) -> bool:
        """Tell whether what has run this lives: a WorkerLostError may be the task's own."""
        return not isinstance(error, LaneError) and lanes.is_alive(self.worker_pid or 0)

    def _lost(self, error: BaseException) -> None:
        how = KILLED.search(str(error))
        reason = str(error) if isinstance(error, LaneError) and not how else "its process died"
        self._crashed(f"{reason}: {how.group(1)}" if how else reason, error)

    def _note_unbegun(self, error: BaseException, exc_info: ExceptionInfo) -> None:
        """Record an error before the attempt, for instance in the task's `before_start`: nobody else does."""
        if not isinstance(error, Ignore | Retry | Terminated):  # a revoked one is cancelled
            job_id, published_at = self._published()
            reason, text = line(error), storable(redact(str(exc_info.traceback), LONGEST_TRACEBACK))
            worker_state.submit(lambda: recovery.bury_unbegun(job_id, published_at, reason, text))

    def _published(self) -> tuple[uuid.UUID, float]:
        return uuid.UUID(self.id), self.request_dict[PUBLISHED_HEADER]

    def _crashed(self, reason: str, error: BaseException | None = None) -> None:
        """Record it, from the maintenance thread: the event loop must not wait for PostgreSQL.

        Of a plain task, end what its process has left running there.
        """
        if worker_state.is_killing_children:  # it hands their jobs back itself
            return
        worker, pid = workers.current(), self.worker_pid
        if self.is_job:
            job_id, published_at = self._published()
            recover = RECOVERIES.get(type(error), recovery.recover_attempt)
            is_refused = isinstance(error, LostAnswerError) or reason.endswith(REFUSED)

            def record() -> None:
                if isinstance(error, PostponedError):
                    recovery.give_back_unbegun(job_id, published_at, POSTPONED)
                elif not recover(job_id, worker, pid, reason) and not is_refused:
                    recovery.give_back_unbegun(job_id, published_at)

            worker_state.submit(record)
        elif pid:
            worker_state.submit(lambda: sessions.end_process(worker, pid))


def _unwrapped(error: BaseException) -> BaseException:
    """Return what the pool wrapped to carry a traceback along."""
    return error.exc if isinstance(error, ExceptionWithTraceback) else error
