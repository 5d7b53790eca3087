"""The tasks that jobs brings along."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from celery import shared_task

from offbeat.jobs import retention, signals
from offbeat.jobs.message import RUNNER
from offbeat.jobs.tasks_backend.runner import TaskRunner

if TYPE_CHECKING:
    from typing import Any

logger = logging.getLogger(__name__)


@shared_task(base=TaskRunner, bind=True, name=RUNNER, max_retries=None)
def run_task(self: TaskRunner, *args: Any, **kwargs: Any) -> Any:
    """Run a task of Django's: the one that the job names."""
    return self.run_target(*args, **kwargs)


@shared_task
def prune() -> None:
    """Delete finished jobs that are older than the retention, and have others delete what is theirs."""
    logger.info("pruned %d finished jobs", retention.prune(), extra={"action": "jobs_pruned"})
    for receiver, answer in signals.ledger_pruned.send_robust(sender=prune.name):
        if isinstance(answer, Exception):
            logger.error("%s did not prune", receiver, exc_info=answer, extra={"action": "prune_failed"})
