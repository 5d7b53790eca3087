"""What `aenqueue` leaves of an event loop: `./run bench loop` writes docs/offbeat/benchmarks-loop.md."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import platform
import sys
import time

from bench.report import Report
from bench.stand import CHECKOUT, percentile, process, stand, wait_until

COMMAND = "gunicorn --worker-class asgi --workers 1 config.asgi:application --bind 127.0.0.1:{port}"
CLIENTS = 50
SECONDS = 4.0
ROUNDS = 3
BOUND = 20.0  # ms that the loop may be late by us
BARE, QUERYING, ENQUEUEING = "does nothing", "asks PostgreSQL once", "`await task.aenqueue()`"
DJANGOS = f"{ENQUEUEING}, a task of Django's"
PAGES = {
    BARE: "/async/bare",
    QUERYING: "/async/querying",
    ENQUEUEING: "/async/enqueueing",
    DJANGOS: "/async/enqueueing-djangos",
}


def main():
    with stand() as (_, redis):
        found = measure(redis)
    report = Report(
        CHECKOUT / "docs" / "offbeat" / "benchmarks-loop.md", "What enqueueing leaves of an event loop"
    )
    tell(report, found)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def measure(redis):
    from offbeat.dev.ports import free_port

    port = free_port()
    silent = f"{ENQUEUEING}, Redis silent"
    found = {name: {"gaps": [], "steps": [], "answers": 0, "sessions": 0} for name in (*PAGES, silent)}
    with process(COMMAND.format(port=port)):
        wait_until(lambda: is_up(port))
        for path in PAGES.values():
            asyncio.run(load(port, path, 0.5))
        for _ in range(ROUNDS):  # in turns, so that a noisy moment meets all of them
            for name, path in PAGES.items():
                note(found[name], port, path)
        redis.pause()
        note(found[silent], port, PAGES[ENQUEUEING])
        redis.resume()
    return found


def note(into, port, path):
    ask(port)
    into["answers"] += asyncio.run(load(port, path, SECONDS))
    answer = ask(port)
    into["gaps"] += answer["gaps"]
    into["steps"] += answer["steps"]
    into["sessions"] = max(into["sessions"], answer["sessions"])


def is_up(port):
    try:
        return ask(port)
    except OSError:
        return None


def ask(port):
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/async/gaps", headers={"Host": "localhost"})
    return json.load(connection.getresponse())


async def load(port, path, seconds):
    """Ask for a page on CLIENTS connections at once, again and again; return how many answers there were."""
    end = time.monotonic() + seconds
    return sum(await asyncio.gather(*(keep_asking(port, path, end) for _ in range(CLIENTS))))


async def keep_asking(port, path, end):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = 0
    while time.monotonic() < end:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.split(b" ", 2)[1] == b"200", head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        answers += 1
    writer.close()
    return answers


def tell(report, found):
    report.say(
        f"Written by `./run bench loop` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, everything on one machine, the clients included. One process of gunicorn's ASGI worker, "
        f"{CLIENTS} clients that ask again at once, {SECONDS * ROUNDS:.0f} s a page, in turns. A coroutine that sleeps for a "
        "millisecond notes by how much it wakes up late: it waits for the steps of all other requests, and for the machine. "
        "A step is what the awaited call itself holds the loop's thread for, at a time."
    )
    rows = []
    for name, each in found.items():
        walls, cpus = zip(*each["steps"], strict=True) if each["steps"] else ((0.0,), (0.0,))
        late = [f"{percentile(each['gaps'], share):.1f}" for share in (0.5, 0.99)]
        step = [f"{percentile(walls, 0.99):.2f}", f"{max(cpus):.2f}"]
        rows.append([name, *late, *step, f"{each['answers']:,}", str(each["sessions"])])
    header = [
        "the view",
        "late, p50, ms",
        "late, p99, ms",
        "step, p99, ms",
        "longest step, ms of CPU",
        "answers",
        "sessions after it",
    ]
    report.table(header, rows)
    longest = max(
        cpu for name, each in found.items() if name.startswith(ENQUEUEING) for _, cpu in each["steps"]
    )
    report.target("longest step of `aenqueue` on the loop, ms of CPU", longest, BOUND, at_least=False)
    ratio = percentile(found[ENQUEUEING]["gaps"], 0.99) / percentile(found[QUERYING]["gaps"], 0.99)
    report.target("late by p99, to a view that asks PostgreSQL once", ratio, 2, at_least=False)
    report.say(
        "That nothing of it waits on the loop, for a silent Redis or a lock, is held by `tests/offbeat/jobs/test_aenqueue.py`."
    )


if __name__ == "__main__":
    sys.exit(main())
