"""What the levels of a queue cost, and how soon an urgent job starts before a hundred thousand others."""

from __future__ import annotations

import time

from bench.bulk import empty
from bench.latency import on_the_beat
from bench.stand import LEAN, WORKER, median, percentile, process, rate_of_draining, say, wait_until
from bench.throughput import in_redis

COUNT, ROUNDS = 4_000, 3
BACKLOG = 100_000
STARTS, PACE = 250, 25  # of which the first fifty warm the worker up; calls a second
WITHOUT = {"BENCH_LEVELS": "none"}  # see bench/settings.py
KINDS = {
    "one list a queue": ([0], WITHOUT),
    "seven lists, jobs of the default priority": ([0], {}),
    "seven lists, jobs of all levels": ([100, 50, 20, 0, -20, -50, -100], {}),
}


def measure():
    """Return tasks a second of each round and p50 of the start in ms by kind, and the p50 of urgent jobs by what waits."""
    rates, starts = {name: [] for name in KINDS}, {name: [] for name in KINDS}
    for number in range(ROUNDS):
        turns = list(KINDS.items())
        for name, (priorities, environment) in turns if number % 2 else reversed(turns):
            rates[name].append(drain(priorities, environment))
            starts[name].append(start(priorities[0], **environment))
            say(
                f"  priorities, round {number + 1}: {name} {rates[name][-1]:.0f}/s, {starts[name][-1]:.2f} ms"
            )
    found = {name: {"rates": rates[name], "p50": median(starts[name])} for name in KINDS}
    return found, urgent()


def drain(priorities, environment):
    from bench.tasks import nothing

    begin_anew()  # what a killed worker left is published again, where a worker without levels does not look
    for priority in priorities:
        nothing.using(priority=priority).enqueue_many([((), {})] * (COUNT // len(priorities)))
    return rate_of_draining(in_redis, WORKER + LEAN, in_redis(), **environment)


def start(priority, ready=None, **environment):
    """Return the p50 in ms from the call to the task's first line, at a steady pace."""
    from bench.tasks import note_latency, nothing
    from offbeat.jobs import broker

    broker.client().delete("bench:starts")
    with process(WORKER + LEAN, **environment):
        if ready:
            wait_until(ready)
        else:
            warm = nothing.enqueue()
            wait_until(lambda: warm.refresh_from_db() or warm.is_finished)
        for _ in on_the_beat(range(STARTS), 1 / PACE):
            note_latency.using(priority=priority).enqueue(time.time(), "bench:starts")
        wait_until(lambda: broker.client().llen("bench:starts") == STARTS)
    return percentile([float(value) * 1000 for value in broker.client().lrange("bench:starts", 50, -1)], 0.5)


def begin_anew():
    from offbeat.jobs import loss_token

    empty()
    loss_token.check()  # else the first worker takes Redis for one that has lost its data


def urgent():
    """Return the p50 of urgent jobs on an empty queue, and before a backlog that the worker is busy with all the time."""
    from bench.tasks import nothing
    from offbeat.jobs import broker

    begin_anew()
    found = {"empty": start(100)}
    nothing.using(priority=-100).enqueue_many(((), {}) for _ in range(BACKLOG))
    found["backlog"] = start(100, ready=lambda: broker.waiting("default") < BACKLOG - 1_000)
    found["left"] = broker.waiting("default")
    say(
        f"  priorities: {found['empty']:.2f} ms, before a backlog {found['backlog']:.2f} ms, {found['left']:,} left"
    )
    empty()
    return found
