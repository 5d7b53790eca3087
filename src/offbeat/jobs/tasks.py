"""The tasks that jobs brings along."""

import logging

from celery import shared_task

from offbeat.jobs import retention, signals

logger = logging.getLogger(__name__)


@shared_task
def prune() -> None:
    """Delete finished jobs that are older than the retention, and have others delete what is theirs."""
    logger.info("pruned %d finished jobs", retention.prune(), extra={"action": "jobs_pruned"})
    for receiver, answer in signals.ledger_pruned.send_robust(sender=prune.name):
        if isinstance(answer, Exception):
            logger.error("%s did not prune", receiver, exc_info=answer, extra={"action": "prune_failed"})
