"""One job at a time against enqueue_many, and the memory of streaming a million."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

from bench.stand import CHECKOUT, say


def measure(many=10_000, single=1_000, huge=1_000_000):
    """Return jobs a second each way, and the peak memory in MiB of streaming many and huge."""
    from bench.tasks import nothing

    begun = time.monotonic()
    for _ in range(single):
        nothing.enqueue()
    alone = single / (time.monotonic() - begun)
    begun = time.monotonic()
    nothing.enqueue_many(((), {}) for _ in range(many))
    together = many / (time.monotonic() - begun)
    say(f"  bulk: {alone:.0f}/s one by one, {together:.0f}/s together")
    empty()
    peaks = {count: peak_of_streaming(count) for count in (many, huge)}
    empty()
    return {"single": alone, "many": together, "peaks": peaks}


def peak_of_streaming(count):
    say(f"  bulk: streaming {count:,} jobs ...")
    done = subprocess.run(
        [sys.executable, "-m", "bench.bulk", str(count)], env=dict(os.environ), cwd=CHECKOUT, check=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    return json.loads(done.stdout)


def empty():
    """Empty both servers, and wait until PostgreSQL has written what it owes to the disk: what follows shall not wait for that."""
    from django.db import connection

    from offbeat.jobs import broker

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE offbeat_jobs_job CASCADE")
        cursor.execute("CHECKPOINT")
    broker.client().flushall()


def stream(count):
    """Enqueue `count` jobs as a generator, in this process alone, and print its peak memory in MiB."""
    import resource

    import django

    django.setup()
    from bench.tasks import nothing

    nothing.enqueue_many(((), {}) for _ in range(count))
    sys.stdout.write(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


if __name__ == "__main__":
    stream(int(sys.argv[1]))
