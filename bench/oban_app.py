"""The same job on Oban for Python, which takes and ends its jobs in batches; needs Python 3.12."""

import asyncio
import contextlib
import os

from oban import Oban, worker
from oban.schema import install

from bench import peer_jobs


@worker(queue="default")
class PeerJob:
    async def process(self, job):
        await peer_jobs.run_async(job.args["number"], job.args["rest"])


def prepare():
    with client():
        pass


def enqueue(*order):
    with client() as (loop, oban):
        peer_jobs.produce(
            lambda number, rest: loop.run(oban.enqueue(PeerJob.new({"number": number, "rest": rest}))), *order
        )


def enqueue_together(count):
    with client() as (loop, oban):
        loop.run(oban.enqueue_many([PeerJob.new({"number": 0, "rest": 0}) for _ in range(count)]))


@contextlib.contextmanager
def client():
    """Yield an event loop, and an Oban on it that only sends, whose table is there."""
    with asyncio.Runner() as loop:
        pool = loop.run(Oban.create_pool(os.environ["DATABASE_URL"]))
        loop.run(make_table(pool))
        yield loop, Oban(pool=pool)
        loop.run(pool.close())


async def make_table(pool):
    async with pool.connection() as connection:
        found = await connection.execute("SELECT to_regclass('oban_jobs')")
        if (await found.fetchone())[0] is None:
            await install(pool)


def work(slots):
    asyncio.run(work_forever(slots))


async def work_forever(slots):
    pool = await Oban.create_pool(os.environ["DATABASE_URL"])
    async with Oban(pool=pool, queues={"default": slots}):
        await asyncio.Event().wait()
