"""The tasks that jobs brings along."""

import logging

from celery import shared_task

from offbeat.jobs import retention

logger = logging.getLogger(__name__)


@shared_task
def prune() -> None:
    """Delete finished jobs that are older than the retention."""
    logger.info("pruned %d finished jobs", retention.prune(), extra={"action": "jobs_pruned"})
