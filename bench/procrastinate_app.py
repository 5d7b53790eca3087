"""The same job on Procrastinate, which keeps its jobs in PostgreSQL and takes them one by one."""

import asyncio
import contextlib
import os

from procrastinate import App, PsycopgConnector

from bench import peer_jobs

app = App(connector=PsycopgConnector(conninfo=os.environ["DATABASE_URL"]))


@app.task(queue="default")
async def job(number, rest):
    await peer_jobs.run_async(number, rest)


@app.task(queue="default")
def nothing():
    """Do nothing, in a thread as all that is not `async`: what the other benchmarks measure."""


# https://procrastinate.readthedocs.io/en/stable/howto/production/retry_stalled_jobs.html, with its schedule.
@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(_, timestamp):
    for stalled in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(stalled)


def prepare():
    with client():
        pass


def enqueue(*order):
    with client() as loop:
        peer_jobs.produce(lambda number, rest: loop.run(job.defer_async(number=number, rest=rest)), *order)


def enqueue_together(count):
    with client() as loop:
        loop.run(nothing.batch_defer_async(*[{}] * count))


@contextlib.contextmanager
def client():
    """Yield an event loop on which the application is open, and has its tables."""
    with asyncio.Runner() as loop:
        loop.run(open_app())
        yield loop
        loop.run(app.close_async())


async def open_app():
    await app.open_async()
    if not await app.check_connection_async():
        await app.schema_manager.apply_schema_async()
