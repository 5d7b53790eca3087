"""The same job on Dramatiq, whose workers acknowledge late."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench import peer_jobs

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))


@dramatiq.actor
def job(number, rest):
    peer_jobs.run(number, rest)


def enqueue(*order):
    peer_jobs.produce(job.send, *order)
