"""What the workers run: nothing, and noting when it began."""

import time

from celery import shared_task

from offbeat.jobs import broker


@shared_task
def nothing():
    """Do nothing."""


@shared_task
def note_latency(sent_at, name):
    """Note the seconds since the task was enqueued."""
    broker.client().rpush(name, time.time() - sent_at)
