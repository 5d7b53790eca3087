"""From the call to the first line of the task, at a steady pace."""

from __future__ import annotations

import time

from bench.stand import LEAN, WORKER, percentile, process, say, wait_until

PACE = 50  # calls a second, of each kind
COUNT = 1_000


def measure():
    """Return p50 and p99 in ms, by name; both kinds in turns on one worker.

    `commit` is one row's bare INSERT at the same pace: a durable job cannot start before two commits, of itself and of its start.
    """
    from bench.tasks import note_latency, nothing
    from offbeat.jobs import broker

    client, commits = broker.client(), []
    commit = bare_commit()
    kinds = (
        lambda: note_latency.delay(time.time(), "bench:plain"),
        lambda: note_latency.enqueue(time.time(), "bench:durable"),
        lambda: commits.append(commit()),
    )
    with process(WORKER + LEAN):
        warm = nothing.enqueue()
        wait_until(lambda: warm.refresh_from_db() or warm.is_finished)
        for call in on_the_beat(kinds * COUNT, 1 / PACE / len(kinds)):
            call()
        wait_until(lambda: client.llen("bench:plain") == client.llen("bench:durable") == COUNT)
    found = {"commit": {"p50": percentile(commits, 0.5), "p99": percentile(commits, 0.99)}}
    for name in ("plain", "durable"):
        times = [float(value) * 1000 for value in client.lrange(f"bench:{name}", 50, -1)]
        found[name] = {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}
        say(f"  latency: {name} p50 {found[name]['p50']:.1f} ms")
    return found


def on_the_beat(items, interval):
    """Yield items, one each `interval` seconds; one that is late does not hurry the next."""
    for item in items:
        begun = time.monotonic()
        yield item
        time.sleep(max(0.0, begun + interval - time.monotonic()))


def bare_commit():
    """Return a function that commits one row to a table without an index, and returns the ms that took."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_commits (n int)")

    def commit():
        begun = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO bench_commits VALUES (1)")
        return (time.perf_counter() - begun) * 1000

    return commit
