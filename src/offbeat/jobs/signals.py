"""What happens to jobs, for monitoring: sent by the process that did it, after it was recorded. Receivers must not raise.

The sender of `job_…` is the task's name, and each of them carries `job_id`. They are sent by the child that executes; `job_dead`
also by the worker's main process, when a child was killed for the last time, and `job_cancelled` by whoever discards a job.
"""

from typing import Any

from django.dispatch import Signal


class EndSignal(Signal):
    """A signal whose receivers may say of which tasks they hear, by a function `concerns` of theirs; others hear of all.

    Of a job that concerns nobody the end may be recorded a moment later, and is then not sent.
    """

    def concerns(self, task: str) -> bool:
        """Tell whether a receiver hears of a task; one that cannot say does, as while PostgreSQL is down."""
        synchronous, asynchronous = self._live_receivers(task)
        try:
            return bool(asynchronous) or any(
                getattr(receiver, "concerns", _everybody)(task) for receiver in synchronous
            )
        except Exception:  # noqa: BLE001  nothing of this is the task's
            return True


def _everybody(task: Any) -> bool:
    return True


job_started = Signal()  # attempt: int, context: dict, see offbeat.jobs.context
job_succeeded = EndSignal()  # attempt: int
job_retried = Signal()  # attempt: int, countdown: seconds, reason: str
job_dead = Signal()  # reason: str
job_cancelled = Signal()  # reason: str
job_expired = Signal()  # reason: str
ledger_pruned = (
    Signal()
)  # by the cronjob that deletes finished jobs: whoever keeps rows for a while deletes theirs now
