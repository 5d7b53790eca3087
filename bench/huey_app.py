"""The same job on Huey, which does not acknowledge."""

import os

from huey import RedisHuey

from bench import peer_jobs

# https://huey.readthedocs.io/en/latest/api.html: `results` are for those who read them.
huey = RedisHuey("bench", url=os.environ["REDIS_URL"], results=False)


@huey.task(name="job")
def job(number, rest):
    peer_jobs.run(number, rest)


def enqueue(*order):
    peer_jobs.produce(job, *order)
