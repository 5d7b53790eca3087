"""The same no-op task on Oban for Python, which takes and ends its jobs in batches; needs Python 3.12."""

import asyncio
import os
import sys

from oban import Oban, worker
from oban.schema import install


@worker(queue="default")
class Nothing:
    async def process(self, job):
        """Do nothing."""


async def defer(pool, count):
    async with pool.connection() as connection:
        found = await connection.execute("SELECT to_regclass('oban_jobs')")
        if (await found.fetchone())[0] is None:
            await install(pool)
    oban = Oban(pool=pool)
    await oban.enqueue_many([Nothing.new() for _ in range(count)])


async def work(pool, slots):
    async with Oban(pool=pool, queues={"default": slots}):
        await asyncio.Event().wait()


async def main(what, number):
    pool = await Oban.create_pool(os.environ["OBAN_DSN"])
    await {"defer": defer, "work": work}[what](pool, int(number))
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
