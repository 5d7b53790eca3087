"""The same job as a durable one of ours: each row in a transaction of its own."""

import django

from bench import peer_jobs


def enqueue(*order):
    django.setup()
    from bench.tasks import peer_job

    peer_jobs.produce(peer_job.enqueue, *order)
