"""What happens to jobs, for monitoring: sent by the process that did it, after it was recorded. Receivers must not raise.

Every signal's sender is the task's name; all carry `job_id`. `job_started`, `job_succeeded`, `job_retried` and `job_dead` are sent
by the child that executes; `job_dead` also by the worker's main process, when a child was killed for the last time.
"""

from django.dispatch import Signal

job_started = Signal()  # attempt: int, context: dict, see offbeat.jobs.context
job_succeeded = Signal()  # attempt: int
job_retried = Signal()  # attempt: int, countdown: seconds, reason: str
job_dead = Signal()  # reason: str
