"""What the worker runs: nothing, and noting when it began."""

import time

from celery import shared_task

from offbeat.jobs import broker


@shared_task
def do_nothing():
    """Do nothing."""


@shared_task
def note_start(sent_at, name):
    """Note the seconds since the task was enqueued."""
    broker.client().rpush(name, time.time() - sent_at)
