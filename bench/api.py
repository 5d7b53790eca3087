"""What an enqueue costs by the HTTP API, and what followers take: `./run bench api` writes docs/offbeat/benchmarks-api.md."""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import platform
import selectors
import socket
import sys
import time

import psutil

from bench.report import Report
from bench.stand import CHECKOUT, percentile, process, say, stand, wait_until

COMMAND = "gunicorn --config src/offbeat/gunicorn.py config.wsgi --bind 127.0.0.1:{port}"
TASK = "bench.tasks.nothing"
ROUNDS, EACH = 20, 100
BOUND = 5.0  # ms that the API may add
FOLLOWERS = 200
MOST = 32.0  # MiB that they may take
VARIABLES = {"WEB_CONCURRENCY": "1", "OFFBEAT_API_RATE": "10000", "OFFBEAT_API_BURST": "100000"}


def main():
    from offbeat.dev.ports import free_port

    with stand():
        from offbeat.api import tokens

        port, token = free_port(), tokens.issue("bench", [f"enqueue:{TASK}", "jobs:read"])
        with process(COMMAND.format(port=port), PORT=str(port), **VARIABLES) as web:
            wait_until(lambda: answers(port))
            times = measure(port, token)
            followers = follow(port, token, web)
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-api.md", "What the HTTP API costs")
    tell(report, times, followers)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


def answers(port):
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def measure(port, token):
    """Return the milliseconds of enqueues in this process, by the API with and without a key, in turns."""
    from bench.tasks import nothing

    connection = http.client.HTTPConnection("127.0.0.1", port)
    acts = {
        "`enqueue()` in a process": lambda _: nothing.enqueue(),
        "`POST /api/jobs`": lambda _: post(connection, token),
        "with an Idempotency-Key": lambda number: post(connection, token, f"key-{number}"),
        "`GET /api/jobs/<id>`": None,
    }
    url = post(connection, token)["status_url"]
    acts["`GET /api/jobs/<id>`"] = lambda _: get(connection, token, url)
    found = {name: [] for name in acts}
    for round_ in range(ROUNDS + 1):  # in turns, so that a noisy moment meets all of them
        for name, act in acts.items():
            for number in range(EACH):
                begun = time.perf_counter()
                act(round_ * EACH + number)
                if round_:  # the first warms up
                    found[name].append((time.perf_counter() - begun) * 1000)
    say(
        f"  enqueue p95: {', '.join(f'{name} {percentile(each, 0.95):.1f}' for name, each in found.items())} ms"
    )
    return found


def post(connection, token, key=None):
    headers = {"Host": "localhost", "Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    connection.request("POST", "/api/jobs", json.dumps({"task": TASK}), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    assert answer.status == 202, body
    return body


def get(connection, token, url):
    connection.request("GET", url, headers={"Host": "localhost", "Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200


def follow(port, token, web):
    """Let clients follow jobs; return the memory and the threads that they take, and how late each heard of a change."""
    from offbeat.jobs.models import Job

    connection = http.client.HTTPConnection("127.0.0.1", port)
    urls = [post(connection, token)["events_url"] for _ in range(FOLLOWERS)]
    selector, clients = selectors.DefaultSelector(), {}
    open_stream(port, token, urls[0]).close()  # what is imported once is there
    family = psutil.Process(web.pid).children()[0]
    before, threads = family.memory_info().rss, family.num_threads()
    for url in urls:
        clients[client := open_stream(port, token, url)] = b""
        selector.register(client, selectors.EVENT_READ)
    time.sleep(3)
    cpu, begun = sum(family.cpu_times()[:2]), time.monotonic()
    time.sleep(5)
    share = 100 * (sum(family.cpu_times()[:2]) - cpu) / (time.monotonic() - begun)
    values = {
        "memory": (family.memory_info().rss - before) / 2**20,
        "threads": family.num_threads() - threads,
        "cpu": share,
    }
    begun = time.monotonic()
    Job.objects.filter(pk__in=[url.split("/")[3] for url in urls]).update(state="succeeded")
    late = []
    while len(late) < len(clients) and time.monotonic() < begun + 30:
        for key, _ in selector.select(0.1):
            had = b"event: end" in clients[key.fileobj]
            clients[key.fileobj] += key.fileobj.recv(65536)
            if not had and b"event: end" in clients[key.fileobj]:
                late.append(time.monotonic() - begun)
                selector.unregister(key.fileobj)
    for client in clients:
        client.close()
    return values | {"ended": len(late), "late": max(late, default=30.0)}


def open_stream(port, token, url):
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(f"GET {url} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return client


def tell(report, times, followers):
    report.say(
        f"Written by `./run bench api` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, everything on one machine, the client included. One process of the web service, one client "
        f"on one connection, {ROUNDS * EACH:,} of each, in turns. PostgreSQL writes to disk at each commit."
    )
    rows = [
        [name, *(f"{percentile(each, share):.2f}" for share in (0.5, 0.95, 0.99))]
        for name, each in times.items()
    ]
    report.table(["", "p50, ms", "p95, ms", "p99, ms"], rows)
    inside, outside = (percentile(times[name], 0.95) for name in list(times)[:2])
    report.target("what the API adds to an enqueue, p95 in ms", outside - inside, BOUND, at_least=False)
    report.head(f"{FOLLOWERS} clients that follow a job each, on one process")
    report.table(
        ["memory, MiB", "threads more", "CPU, %", "last one heard of the end after, s"],
        [
            [
                f"{followers['memory']:.1f}",
                f"{followers['threads']}",
                f"{followers['cpu']:.1f}",
                f"{followers['late']:.1f}",
            ]
        ],
    )
    report.target("memory for all of them, MiB", followers["memory"], MOST, at_least=False)
    report.target("clients that got the end", followers["ended"], FOLLOWERS, at_least=True)


if __name__ == "__main__":
    sys.exit(main())
