"""Tasks of Django's that show one thing each."""

import contextlib
import os
import signal
import time
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db import connection

from offbeat.jobs.tasks_backend import Retry
from offbeat.jobs.tasks_backend.interface import task
from tests.offbeat.faults.effects.tasks import note


@task
def add(one, two=0):
    return one + two


@task
async def add_async(one, two=0):
    return one + two


ENDLESS = []
ENDLESS.append(ENDLESS)


@task
def give(value):
    return {
        "endless": ENDLESS,
        "null": None,
        "tuple": (1, (2, 3)),
        "dict": {"b": 1, "a": b"2"},
        "nan": float("nan"),
        "nul": {"a": ["\x00"]},
        "half": "\ud800",
        "set": {"deep": [{1}]},
        "large": "a" * 1_000_001,
    }[value]


@task
def fail(words):
    raise ValueError(words)


@task
def leave(words):
    raise SystemExit(words)


@task(retry=Retry(on=(ValueError,), max_retries=2, backoff=0))
def fail_and_again(words):
    raise ValueError(words)


@task(takes_context=True, retry=Retry(on=(OSError,), backoff=0))
def succeed_at_third(context):
    if context.attempt < 3:
        raise ConnectionError(f"attempt {context.attempt}")
    return [context.attempt, context.task_result.status, len(context.task_result.errors)]


@task(takes_context=True)
def tell(context, label):
    context.progress(1, 2)
    return [context.task_result.id, context.attempt, label]


@task(atomic=True)
def record_then_fail(label):
    note(label, "done")
    raise ValueError("after the effect")


@task
def record(label):
    note(label, "done")
    return connection.in_atomic_block


@task(key=lambda label: f"once:{label}", concurrency_key="one at a time", max_attempts=2)
def record_once(label):
    note(label, "done")


@task(time_limit=60, soft_time_limit=2)
def sleep(seconds, label):
    try:
        time.sleep(seconds)
    finally:
        note(label, "ended")


@task(time_limit=1)
def sleep_hard(seconds):
    with contextlib.suppress(SoftTimeLimitExceeded):
        time.sleep(seconds)
    time.sleep(seconds)


@task(max_attempts=1)
def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


@task(not_after=timedelta(minutes=1), queue_name="mail", priority=7)
def by_mail():
    return "sent"


@task(statement_timeout=0.2)
def wait_in_postgres(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])
