"""From the call to the first line of the task, at a steady pace."""

from __future__ import annotations

import contextlib
import threading
import time

from bench.stand import LEAN, WORKER, percentile, process, say, wait_until

PACE = 50  # calls a second, of each kind
COUNT = 1_000
BLOCKS, BLOCK = 4, 250  # with PostgreSQL at rest and while it checkpoints, in turns; jobs in each
DIRTY = 8_000  # rows of a kilobyte that each checkpoint finds changed


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
        count_checkpoints = measure_blocks(client)
    found = {"commit": told(commits), "checkpoints": count_checkpoints}
    for name in ("plain", "durable", "resting", "checkpointing"):
        found[name] = told([float(value) * 1000 for value in client.lrange(f"bench:{name}", 50, -1)])
        say(f"  latency: {name} p50 {found[name]['p50']:.1f} ms, p99 {found[name]['p99']:.1f} ms")
    return found


def told(times):
    return {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}


def measure_blocks(client):
    """Let durable jobs note their latency while PostgreSQL rests, and while it checkpoints; return how often it did."""
    from bench.tasks import note_latency

    total = 0
    for number in range(1, BLOCKS + 1):
        for name, around in (("resting", contextlib.nullcontext([])), ("checkpointing", checkpoints())):
            with around as made:
                for _ in on_the_beat(range(BLOCK), 1 / PACE):
                    note_latency.enqueue(time.time(), f"bench:{name}")
            total += len(made)
            wait_until(lambda name=name, number=number: client.llen(f"bench:{name}") == number * BLOCK)
    return total


@contextlib.contextmanager
def checkpoints():
    """Change rows and checkpoint, again and again, in a session of its own until the block ends; yields what grows with each."""
    made, is_over = [], threading.Event()

    def run():
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS bench_dirty AS "
                "SELECT 0 AS n, repeat('x', 1000) AS filler FROM generate_series(1, %s)",
                [DIRTY],
            )
            while not is_over.is_set():
                cursor.execute("UPDATE bench_dirty SET n = n + 1")
                cursor.execute("CHECKPOINT")
                made.append(True)
        connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield made
    finally:
        is_over.set()
        thread.join()


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
