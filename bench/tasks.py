"""What the workers run: nothing, and noting when it began."""

import time
from urllib.request import urlopen

from celery import shared_task

from bench import peer_jobs
from offbeat.jobs import broker
from offbeat.jobs.tasks_backend.interface import task


@shared_task
def nothing():
    """Do nothing."""


@task
def nothing_of_djangos():
    """Do nothing."""


@shared_task
def note_latency(sent_at, name):
    """Note the seconds since the task was enqueued."""
    broker.client().rpush(name, time.time() - sent_at)


@shared_task
def fetch(url):
    """Wait for an answer, as most jobs of an I/O-bound queue do."""
    with urlopen(url, timeout=60) as answer:  # noqa: S310  the benchmark's own
        answer.read()


@shared_task
def rest(seconds):
    """Wait, as for another server."""
    time.sleep(seconds)


@shared_task
def peer_job(number, rest):
    """Do what the job of every peer does."""
    peer_jobs.run(number, rest)
