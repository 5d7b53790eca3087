"""A plain Celery application, with messages acknowledged early, as by default, or late."""

import os

from celery import Celery

from bench import peer_jobs

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,  # as in Offbeat's jobs: a no-op has none
    broker_connection_retry_on_startup=True,
)
if os.environ.get("PEER_ACKNOWLEDGE") == "late":
    # https://docs.celeryq.dev/en/stable/userguide/tasks.html#tips-and-best-practices: all three belong together.
    app.conf.update(task_acks_late=True, task_reject_on_worker_lost=True, worker_prefetch_multiplier=1)


@app.task
def job(number, rest):
    peer_jobs.run(number, rest)


def enqueue(*order):
    peer_jobs.produce(job.delay, *order)
