"""The same job on arq, whose worker is one event loop."""

import asyncio
import os

from arq import create_pool
from arq.connections import RedisSettings

from bench import peer_jobs

REDIS = RedisSettings.from_dsn(os.environ["REDIS_URL"])


async def job(_, number, rest):
    await peer_jobs.run_async(number, rest)


class WorkerSettings:
    functions = (job,)
    redis_settings = REDIS
    max_jobs = 2
    keep_result = 0  # nobody reads them
    # Seconds. A worker whose slots are all taken sleeps so long before its next jobs: with the default of 0.5 two slots
    # would begin some four jobs a second.
    poll_delay = 0.001


def enqueue(*order):
    with asyncio.Runner() as loop:
        pool = loop.run(create_pool(REDIS))
        peer_jobs.produce(lambda number, rest: loop.run(pool.enqueue_job("job", number, rest)), *order)
        loop.run(pool.aclose())
