"""The same no-op task on Procrastinate, the peer that also keeps its jobs in PostgreSQL."""

import asyncio
import os
import sys

from procrastinate import App, PsycopgConnector

app = App(connector=PsycopgConnector(conninfo=os.environ["PROCRASTINATE_DSN"]))


@app.task(queue="default")
def nothing():
    """Do nothing."""


async def defer(count):
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*[{}] * count)


if __name__ == "__main__":
    asyncio.run(defer(int(sys.argv[2])))
