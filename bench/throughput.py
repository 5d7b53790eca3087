"""No-op tasks through one worker with two slots: durable jobs, plain Celery, Procrastinate."""

from __future__ import annotations

import os
import subprocess
import sys

from bench import peer_packages
from bench.peer_packages import PEERS
from bench.stand import CHECKOUT, LEAN, WORKER, rate_of_draining, say

COUNT = 4_000
ROUNDS = 5


def measure(postgres):
    """Return tasks a second by name, of each of the alternating rounds."""
    from offbeat.jobs import loss_token

    install_peers()
    loss_token.check()  # else the first worker takes Redis for one that has lost its data, and publishes everything again
    rates = {"plain": [], "durable": [], "procrastinate": []}
    for number in range(ROUNDS):
        for name, run in (
            ("plain", plain),
            ("durable", durable),
            ("procrastinate", lambda: procrastinate(postgres.url)),
        ):
            rates[name].append(run())
            say(f"  throughput, round {number + 1}: {name} {rates[name][-1]:.0f}/s")
    return rates


def plain():
    from bench.tasks import nothing

    for _ in range(COUNT):
        nothing.delay()
    return rate_of_draining(in_redis, WORKER + LEAN, COUNT)


def durable():
    from bench.tasks import nothing

    nothing.enqueue_many([((), {})] * COUNT)
    return rate_of_draining(in_redis, WORKER + LEAN, COUNT)


def in_redis():
    """Count messages that wait, or that a worker has not acknowledged: of jobs, two at most are in neither."""
    from offbeat.jobs import broker

    return broker.waiting("default") + broker.client().hlen(broker.key("unacked"))


def procrastinate(url, count=COUNT):
    environment = {"DATABASE_URL": url, "PYTHONPATH": f"{PEERS}:{CHECKOUT}"}
    peer("procrastinate_app", environment, count)
    app = f"{sys.executable} -m procrastinate --app bench.procrastinate_app.app worker --concurrency 2"
    return rate_of_draining(in_procrastinate, app, count, **environment)


def in_procrastinate():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')")
        return cursor.fetchone()[0]


def peer(module, environment, count):
    """Have a peer fill its queue, and PostgreSQL's planner know of it, as autovacuum does within a minute."""
    from django.db import connection

    subprocess.run(
        [sys.executable, "-m", "bench.peer_call", f"bench.{module}", "enqueue_together", str(count)],
        env=os.environ | environment, cwd=CHECKOUT, check=True,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def install_peers():
    """Fetch the peers, pinned by hash, into a folder of their own."""
    peer_packages.install()
