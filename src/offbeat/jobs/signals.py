"""What happens to jobs, for monitoring: sent by the process that did it, after it was recorded. Receivers must not raise.

The sender of `job_…` is the task's name, and each of them carries `job_id`. They are sent by the child that executes; `job_dead`
also by the worker's main process, when a child was killed for the last time, and `job_cancelled` by whoever discards a job.
"""

from django.dispatch import Signal

job_started = Signal()  # attempt: int, context: dict, see offbeat.jobs.context
job_succeeded = Signal()  # attempt: int
job_retried = Signal()  # attempt: int, countdown: seconds, reason: str
job_dead = Signal()  # reason: str
job_cancelled = Signal()  # reason: str
job_expired = Signal()  # reason: str
ledger_pruned = (
    Signal()
)  # by the cronjob that deletes finished jobs: whoever keeps rows for a while deletes theirs now
