"""One run of the example's digest: a list, its issue cut into chunks, workers that send it, and people who subscribe meanwhile."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field

import psutil

from bench import bulk
from bench.pools import megabytes
from bench.sink import COUNTER
from bench.stand import LEAN, WORKER, process, say, wait_until

PAUSE = 0.5  # seconds between two people who subscribe
PEOPLE = 400  # who subscribe at most: the list takes 500 an hour
MINUTES = 30  # for one digest, on a machine that is busy with something else


@dataclass
class Run:
    """What one digest took: `latencies` are those of the confirmations meanwhile, in ms."""

    rate: float = 0.0
    twice: int = 0
    cpu: float = 0.0  # share of the machine's CPUs, in percent
    memory: list[float] = field(default_factory=list)  # MB of all workers, twice a second
    latencies: list[float] = field(default_factory=list)


def chunk_as_shipped():
    from newsletter import digest

    return digest.CHUNK


# The list and its issue


def empty(subscribers):
    """Begin anew, with so many confirmed subscribers and something to tell them."""
    from django.db import connection

    from newsletter.models import Note
    from offbeat.jobs import loss_token

    bulk.empty()
    loss_token.check()  # else the first worker takes Redis for one that has lost its data, and publishes everything again
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE newsletter_subscriber, newsletter_issue, newsletter_budget CASCADE")
        cursor.execute(
            "INSERT INTO newsletter_subscriber (email, requested_at, confirmed_at)"
            " SELECT 'reader' || n || '@example.com', now(), now() FROM generate_series(1, %s) AS n",
            [subscribers],
        )
        cursor.execute("VACUUM ANALYZE newsletter_subscriber")
    for number in range(3):
        Note.objects.create(headline=f"Wake-ups {number}", text="They come late, early, twice or never.\n\n" * 10,
                            url="https://example.com/")  # fmt: skip


def fan_out(chunk):
    """Enqueue the digest in chunks of that size."""
    from django.db import transaction

    from newsletter import digest
    from newsletter.tasks import send_weekly_digest

    shipped, digest.CHUNK = digest.CHUNK, chunk
    try:
        with transaction.atomic():
            send_weekly_digest.run()
    finally:
        digest.CHUNK = shipped


def memory_of_waiting(size, chunk):
    """Return the bytes that Redis needs for a whole digest that waits."""
    from offbeat.jobs import broker

    empty(size)
    before = broker.client().info("memory")["used_memory"]
    fan_out(chunk)
    taken = broker.client().info("memory")["used_memory"] - before
    say(f"  a digest in chunks of {chunk} that waits: {taken / 1e6:.2f} MB of Redis")
    return taken


# Sending it


def send(size, chunk=None, workers=1, wait=0):
    """Send a digest to so many by fresh workers, while people subscribe."""
    from offbeat.jobs import broker

    empty(size)
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(process(WORKER + LEAN, BENCH_SINK_MS=str(wait))) for _ in range(workers)
        ]
        wait_until(lambda: are_ready(running), 60)
        psutil.cpu_percent()
        fan_out(chunk or chunk_as_shipped())
        memory = watch(running)
        found = Run(
            rate_of_deliveries(), cpu=psutil.cpu_percent(), memory=memory, latencies=waits_of_confirmations()
        )
        found.twice = int(broker.client().get(COUNTER)) - size
    say(
        f"  {size:,} subscribers, chunks of {chunk or chunk_as_shipped()}, {workers} worker(s), {wait} ms a mail: "
        f"{found.rate:.0f} mails/s, CPUs {found.cpu:.0f} %"
    )
    return found


def are_ready(running):
    from offbeat.jobs.models import Worker

    return Worker.objects.filter(pid__in=[each.pid for each in running]).count() == len(running)


def watch(running):
    """Have somebody subscribe twice a second until the issue is out; return the workers' memory all the while."""
    from newsletter.models import Issue
    from newsletter.tasks import subscribe

    memory, deadline = [], time.monotonic() + MINUTES * 60
    while not Issue.objects.filter(delivered_at__isnull=False).exists():
        begun = time.monotonic()
        if begun > deadline:
            raise TimeoutError(f"the digest was not out after {MINUTES} minutes")
        if len(memory) < PEOPLE:
            subscribe(f"new{len(memory)}@example.com")
        memory.append(sum(megabytes(each.pid) for each in running))
        time.sleep(max(0.0, begun + PAUSE - time.monotonic()))
    wait_until(lambda: not confirmations().exclude(state="succeeded").exists(), 60)
    return memory


def confirmations():
    from offbeat.jobs.models import Job

    return Job.objects.filter(task="newsletter.tasks.send_confirmation")


def waits_of_confirmations():
    """Return how long after it was asked for each confirmation began, in ms."""
    found = confirmations().values_list("created_at", "started_at")
    return [(started - created).total_seconds() * 1000 for created, started in found]


def rate_of_deliveries():
    from django.db.models import Count, Max, Min

    from newsletter.models import Delivery

    found = Delivery.objects.aggregate(count=Count("pk"), first=Min("delivered_at"), last=Max("delivered_at"))
    return (found["count"] - 1) / (found["last"] - found["first"]).total_seconds()
