"""`./run bench connections`: what a request waits for its connection, and how many connections are held meanwhile.

Threads of one web process ask three things a request, as Django's handler opens and closes around them: with a connection for each
request, with persistent ones (as shipped), and with psycopg's pool. Busy, and with a pause between requests as most sites have it.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from bench import peer_packages
from bench.stand import median, percentile, say, stand

THREADS = 8
ROUNDS = 5
WAYS = {
    "a connection a request": {"CONN_MAX_AGE": 0},
    "persistent, checked": {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
    "psycopg's pool of 1 to 4": {"CONN_MAX_AGE": 0, "pool": {"min_size": 1, "max_size": 4, "timeout": 10}},
}
ASK = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'bench'"


def main():
    with stand() as (postgres, _):
        figures = {(way, pause): [] for way in WAYS for pause in (0.0, 0.05)}
        for _ in range(ROUNDS):  # in turns, so that a noisy moment meets all
            for (way, pause), found in figures.items():
                found.append(measure(WAYS[way], pause, postgres))
        say("| | pause | p50 ms | p99 ms | of persistent, p50 | connections held |")
        for (way, pause), found in figures.items():
            p50, p99, held = (median(column) for column in zip(*found, strict=True))
            floor = median([each[0] for each in figures["persistent, checked", pause]])
            say(f"| {way} | {pause * 1000:.0f} ms | {p50:.2f} | {p99:.2f} | {p50 / floor:.2f} | {held:.0f} |")


def measure(way, pause, postgres):
    """Return p50 and p99 in ms of a request, and the connections that the server sees in the middle."""
    from django.db import connections

    values = connections["default"].settings_dict
    values.update({name: value for name, value in way.items() if name.isupper()})
    options = values["OPTIONS"]
    options.pop("pool", None)
    options.update(
        {name: value for name, value in way.items() if not name.isupper()}, application_name="bench"
    )
    count = 40 if pause else 150
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(visit, count, pause) for _ in range(THREADS)]
        time.sleep(0.3)
        with postgres.connect() as server:
            (held,) = server.execute(ASK).fetchone()
        times = [each for one in running for each in one.result()]
        close(pool)
    return percentile(times, 0.5), percentile(times, 0.99), held


def visit(count, pause):
    """Return the ms of so many requests in this thread, without the first: it finds nothing open anywhere."""
    from django.core.signals import request_finished, request_started
    from django.db import connection, reset_queries

    times = []
    for _ in range(count):
        begun = time.perf_counter()
        request_started.send(sender=None)
        with connection.cursor() as cursor:
            for _ in range(3):
                cursor.execute("SELECT name FROM django_migrations ORDER BY id LIMIT 20")
                cursor.fetchall()
        request_finished.send(sender=None)
        times.append((time.perf_counter() - begun) * 1000)
        reset_queries()
        time.sleep(pause)
    return times[1:]


def close(pool):
    """Close what the threads hold, and the pool that they share."""
    from django.db import connection, connections

    list(pool.map(lambda _: (time.sleep(0.05), connections.close_all()), range(THREADS)))
    if connection.settings_dict["OPTIONS"].get("pool"):
        connection.close_pool()


if __name__ == "__main__":
    peer_packages.install()
    sys.path.append(str(peer_packages.PEERS))
    main()
