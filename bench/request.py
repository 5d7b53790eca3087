"""What an enqueue adds to a web request, with Redis there and away."""

from __future__ import annotations

import http.client
import time

from bench.stand import percentile, process, say, wait_until

COMMAND = "gunicorn --config src/offbeat/gunicorn.py config.wsgi --bind 127.0.0.1:{port}"


def measure(redis, requests=1_000):
    """Return p50 in ms of a bare and an enqueueing request; and the first and the p99 of the rest, with Redis and without."""
    from offbeat.dev.ports import free_port

    port = free_port()
    with process(COMMAND.format(port=port), PORT=str(port), WEB_CONCURRENCY="1"):
        wait_until(lambda: answers(port))
        visit(port, "/bare", 100), visit(port, "/enqueueing", 100)
        times = {"bare": [], "enqueueing": []}
        for _ in range(requests // 100):  # in turns, so that a noisy moment meets both
            for name, values in times.items():
                values.extend(visit(port, f"/{name}", 100))
        found = {name: percentile(values, 0.5) for name, values in times.items()}
        for name, break_it, mend in (
            ("there", bool, bool),  # to compare: how long the disk alone lets a request wait
            ("refusing", redis.kill, redis.start),
            ("silent", redis.pause, redis.resume),
        ):
            break_it()
            # Paced, so that the breaker closes and the timeout is met again and again.
            away = visit(port, "/enqueueing", 300, pause=0.05)
            mend()
            time.sleep(4)  # until the breaker lets the next one try
            visit(port, "/enqueueing", 1)
            found[name] = {"first": away[0], "p99": percentile(away[1:], 0.99), "worst": max(away[1:])}
            say(f"  request, Redis {name}: first {away[0]:.0f} ms, then p99 {found[name]['p99']:.0f} ms")
    say(f"  request: bare {found['bare']:.2f} ms, enqueueing {found['enqueueing']:.2f} ms")
    return found


def visit(port, path, count, pause=0.0):
    """Return the milliseconds of `count` requests on one connection."""
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(count):
        begun = time.monotonic()
        connection.request("GET", path, headers={"Host": "localhost"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
        times.append((time.monotonic() - begun) * 1000)
        time.sleep(pause)
    return times


def answers(port):
    try:
        return visit(port, "/healthz", 1)
    except OSError:
        return False
