"""From the call to the first line of the task, at a steady pace."""

from __future__ import annotations

import time

from bench.stand import LEAN, WORKER, percentile, process, say, wait_until

PACE = 0.02  # seconds between calls: fifty a second
COUNT = 500


def measure():
    """Return p50 and p99 in ms, by name; both kinds in turns on one worker."""
    from bench.tasks import note_latency, nothing
    from jobs import broker

    client = broker.client()
    with process(WORKER + LEAN):
        warm = nothing.enqueue()
        wait_until(lambda: warm.refresh_from_db() or warm.is_finished)
        for _ in range(COUNT):
            note_latency.delay(time.time(), "bench:plain")
            time.sleep(PACE)
            note_latency.enqueue(time.time(), "bench:durable")
            time.sleep(PACE)
        wait_until(lambda: client.llen("bench:plain") == client.llen("bench:durable") == COUNT)
    found = {}
    for name in ("plain", "durable"):
        times = [float(value) * 1000 for value in client.lrange(f"bench:{name}", 50, -1)]
        found[name] = {"p50": percentile(times, 0.5), "p99": percentile(times, 0.99)}
        say(f"  latency: {name} p50 {found[name]['p50']:.1f} ms")
    return found
