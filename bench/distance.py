"""`./run bench distance`: rates with the servers as far away as on a platform; writes benchmarks-distance.md.

PostgreSQL is a millisecond away and Redis half a one, by `bench.delay_proxy` on other addresses of loopback. Needs Linux, no root.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import platform
import sys

from bench import throughput
from bench.report import Report
from bench.stand import (
    CHECKOUT,
    LEAN,
    WORKER,
    median,
    process,
    rate_of_draining,
    ratio,
    say,
    stand,
    wait_until,
)

COUNT = 3_000
ROUNDS = 3
# Milliseconds each way, and the address at which a server is so far away.
POSTGRES, REDIS = (0.5, "127.0.0.2"), (0.25, "127.0.0.3")
THREADS = (
    f"python manage.py worker --queues default,mail --loglevel warning --pool threads --concurrency 10{LEAN}"
)
NAMES = {
    "plain": "plain Celery `.delay()`, prefork, 2 slots",
    "durable": "durable `enqueue`, prefork, 2 slots",
    "procrastinate": "Procrastinate, concurrency 2",
    "oban2": "Oban for Python, limit 2",
    "threads": "durable `enqueue`, threads, 10 slots",
    "oban10": "Oban for Python, limit 10",
}
# Of the issue that asked for this page: durable to each of them.
LEAST = (("durable", "plain", 1.2, 1.0), ("durable", "procrastinate", 2, 2), ("durable", "oban2", 1.2, 1.2),
         ("threads", "oban10", 1.2, 1.2))  # fmt: skip


def main():
    load = os.getloadavg()[0]
    throughput.install_peers()
    with stand() as (postgres, redis), far_away(postgres.port, redis.port):
        from offbeat.jobs import loss_token

        loss_token.check()  # else the first worker takes Redis for one that has lost its data
        found = measure(
            {"loopback": (postgres.url, redis.url), "distance": (moved(postgres.url, POSTGRES), moved(redis.url, REDIS))}
        )  # fmt: skip
    report = tell(found, load)
    report.write()
    sys.stdout.write(report.text)
    return 0 if report.all_met else 1


@contextlib.contextmanager
def far_away(postgres, redis):
    """Give both servers a second address, from which everything takes its time."""
    with contextlib.ExitStack() as stack:
        for (delay, address), port in ((POSTGRES, postgres), (REDIS, redis)):
            stack.enter_context(process(f"{sys.executable} -m bench.delay_proxy {delay} {address} {port}"))
            wait_until(lambda address=address, port=port: answers(address, port), 10)
        yield


def answers(address, port):
    import socket

    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
        return True
    return False


def moved(url, to):
    return url.replace("127.0.0.1", to[1])


def measure(places):
    """Return jobs a second by place and name, of each round; all in turns, because the machine's pace changes."""
    rates = {place: {name: [] for name in NAMES if runs_here(name)} for place in places}
    for number in range(ROUNDS):
        for place, urls in places.items():
            for name, seen in rates[place].items():
                seen.append(run(name, *urls))
                say(f"  round {number + 1}, {place}: {name} {seen[-1]:.0f}/s")
    return rates


def runs_here(name):
    return not name.startswith("oban") or sys.version_info >= (3, 12)


def run(name, postgres, redis):
    """Return the rate at which a fresh worker of one kind, to whom the servers are at these addresses, empties its queue."""
    if name.startswith("oban"):
        return oban(postgres, int(name.removeprefix("oban")))
    if name == "procrastinate":
        return throughput.procrastinate(postgres, COUNT)
    from bench.tasks import nothing

    if name == "plain":
        for _ in range(COUNT):
            nothing.delay()
    else:
        nothing.enqueue_many([((), {})] * COUNT)
    worker = THREADS if name == "threads" else WORKER + LEAN
    return rate_of_draining(throughput.in_redis, worker, COUNT, DATABASE_URL=postgres, REDIS_URL=redis)


def oban(postgres, slots):
    environment = {"DATABASE_URL": postgres, "PYTHONPATH": f"{throughput.PEERS}:{CHECKOUT}"}
    throughput.peer("oban_app", environment, COUNT)
    return rate_of_draining(
        in_oban, f"{sys.executable} -m bench.peer_call bench.oban_app work {slots}", COUNT, **environment
    )


def in_oban():
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM oban_jobs WHERE state IN ('available', 'executing')")
        return cursor.fetchone()[0]


def tell(found, load):
    report = Report(CHECKOUT / "docs" / "offbeat" / "benchmarks-distance.md", "At a network's distance")
    report.say(
        f"Written by `./run bench distance` on {dt.datetime.now(dt.UTC):%Y-%m-%d}, Python {platform.python_version()}, "
        f"{os.cpu_count()} CPUs, PostgreSQL with fsync, one worker. {COUNT:,} no-op jobs each, the median "
        f"of {ROUNDS} rounds in turns, and of their ratios. "
        f"At the distance a round trip to PostgreSQL takes {2 * POSTGRES[0]:g} ms more than on "
        f"loopback, one to Redis {2 * REDIS[0]:g} ms more. Everything shares this machine's CPUs: "
        "what counts are the ratios of one column."
    )
    report.say(
        f"In the minute before, the load of the machine was {load:.1f}: near 0, the ratios are to be trusted."
    )
    near, far = found["loopback"], found["distance"]
    report.table(
        ["", "loopback, jobs/s", "to plain", "at the distance, jobs/s", "to plain"],
        [
            [NAMES[name], f"{median(near[name]):.0f}", f"{ratio(near[name], near['plain']):.2f}", f"{median(far[name]):.0f}",
             f"{ratio(far[name], far['plain']):.2f}"]
            for name in near
        ],
    )  # fmt: skip
    if "oban2" not in near:
        report.say("Oban for Python was left out: it needs Python 3.12.")
    for ours, peer, at_distance, on_loopback in LEAST:
        for place, bound in (("distance", at_distance), ("loopback", on_loopback)):
            if peer in found[place]:
                found_here = ratio(found[place][ours], found[place][peer])
                report.target(f"{place}: {ours} to {peer}", found_here, bound, at_least=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
