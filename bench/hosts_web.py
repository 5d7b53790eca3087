"""What runs on a host of bench.hosts beside its worker: a producer at a steady pace, and the time of a round trip."""

from __future__ import annotations

import json
import sys
import time

from bench.latency import on_the_beat
from bench.stand import percentile


def round_trips(count=200):
    """Return the median ms of a statement, of a commit and of a PING from here."""
    from django.db import connection

    from offbeat.jobs import broker

    def select():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    client, found = broker.client(), {}
    for name, ask in (("PostgreSQL", select), ("Redis", client.ping)):
        times = []
        for _ in range(count):
            begun = time.perf_counter()
            ask()
            times.append((time.perf_counter() - begun) * 1000)
        found[name] = percentile(times, 0.5)
    return found


def produce(count, pace):
    """Enqueue jobs that note when they began; return the median ms of an `enqueue`."""
    from bench.tasks import note_latency

    times = []
    for number in on_the_beat(range(count), 1 / pace):
        begun = time.perf_counter()
        note_latency.enqueue(time.time(), "bench:hosts")
        times.append((time.perf_counter() - begun) * 1000)
        del number
    return percentile(times, 0.5)


def main():
    import django

    django.setup()
    count, pace = map(int, sys.argv[1:])
    print(json.dumps(round_trips() | {"enqueue": produce(count, pace)}))


if __name__ == "__main__":
    main()
