"""The same job on RQ, which forks a process for each."""

import os

from redis import Redis
from rq import Queue, Retry

from bench import peer_jobs


def enqueue(*order):
    queue = Queue(connection=Redis.from_url(os.environ["REDIS_URL"]))
    # https://python-rq.org/docs/exceptions/#retrying-failed-jobs: a job without `retry` that lost its worker is a failed one.
    peer_jobs.produce(
        lambda number, rest: queue.enqueue(peer_jobs.run, number, rest, retry=Retry(max=3)), *order
    )
