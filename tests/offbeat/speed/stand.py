"""Servers of its own, durable as in production, workers as real processes, and Django set up on them."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
WORKER = "celery --workdir src -A config worker --concurrency 2 --queues default,mail --loglevel warning"
LEAN = " --without-gossip --without-mingle --without-heartbeat"


@contextlib.contextmanager
def stand(settings="bench.settings"):
    """Start PostgreSQL (with fsync) and Redis in a temporary folder, migrate, and set Django up; yields both servers."""
    from offbeat.dev.embedded_postgres import EmbeddedPostgres
    from offbeat.dev.embedded_redis import EmbeddedRedis
    from offbeat.dev.environments import private

    with tempfile.TemporaryDirectory(prefix="offbeat-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # started by root, PostgreSQL runs as nobody
        postgres = EmbeddedPostgres(folder / "postgres", durable=True)
        redis = EmbeddedRedis(folder / "redis", durable=False)
        with postgres, redis:
            os.environ.update(private(os.environ) | {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url})
            os.environ.update(DJANGO_SETTINGS_MODULE=settings, LOG_LEVEL="WARNING")
            os.environ["PYTHONPATH"] = f"{CHECKOUT / 'src'}{os.pathsep}{CHECKOUT}"
            prepare()
            yield postgres, redis


def prepare():
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


@contextlib.contextmanager
def process(command, **environment):
    """Run a command in a session of its own until the block ends."""
    running = subprocess.Popen(
        command.split(), cwd=CHECKOUT, env=os.environ | environment, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def wait_until(ask, seconds=300.0, pause=0.02):
    deadline = time.monotonic() + seconds
    while not ask():
        if time.monotonic() > deadline:
            raise TimeoutError(f"gave up after {seconds} s")
        time.sleep(pause)


def rate_of_draining(remaining, worker_command, total, warm_up=300, **environment):
    """Return tasks a second while a fresh worker empties a queue of `total`; the first ones warm it up.

    It looks twenty times a second: often enough for a run of ten seconds, and seldom enough to leave the worker its CPUs. Of a
    queue that is empty by the next look, the warm-up is measured, too.
    """
    looks = [(time.monotonic(), total)]

    def look():
        looks.append((time.monotonic(), remaining()))
        return looks[-1][1]

    with process(worker_command, **environment):
        wait_until(lambda: look() <= total - warm_up, pause=0.05)
        begun, left = looks[-1] if looks[-1][1] else looks[-2]
        wait_until(lambda: look() == 0, pause=0.05)
        return left / (time.monotonic() - begun)


def median(values):
    return statistics.median(values)


def ratio(ours, theirs):
    """Return the median of the rounds' ratios: the machine's pace changes by half between rounds, and less within one."""
    return median([each / other for each, other in zip(ours, theirs, strict=True)])


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def say(text):
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
