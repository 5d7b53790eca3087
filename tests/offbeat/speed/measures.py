"""Small sizes of what the benchmarks measure at length. Each is a ratio of two things that ran in turns on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.offbeat.speed import ticks
from tests.offbeat.speed.stand import (
    CHECKOUT,
    LEAN,
    WORKER,
    percentile,
    process,
    rate_of_draining,
    ratio,
    say,
    wait_until,
)

WAKE_UP = [sys.executable, "manage.py", "tick"]
FLOOR = [sys.executable, "tests/offbeat/speed/floor.py"]


def measure(jobs, rounds):
    """Return each ratio by its name."""
    from offbeat.jobs import loss_token

    loss_token.check()  # else the first worker takes Redis for one that has lost its data, and publishes everything again
    return {
        "rate": rate(jobs, rounds),
        "start": start(jobs // 4),
        "bulk": bulk(jobs),
        "wake-up": wake_up(rounds),
        "tick": growth_of_ticks(rounds),
    }


def worker():
    """Return the command of a worker for the queue that tasks have by default, whatever it is called."""
    from celery import current_app

    return WORKER.replace("default,mail", current_app.conf.task_default_queue) + LEAN


def rate(jobs, rounds):
    """Compare the jobs a second of `enqueue` with those of plain Celery."""
    from tests.offbeat.speed.tasks import do_nothing

    def fill_plain():
        for _ in range(jobs):
            do_nothing.delay()

    kinds = {"plain": fill_plain, "durable": lambda: do_nothing.enqueue_many([((), {})] * jobs)}
    rates = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, fill in kinds.items():
            fill()
            rates[name].append(rate_of_draining(in_redis, worker(), jobs, warm_up=jobs // 4))
            say(f"  {name}: {rates[name][-1]:.0f} jobs/s")
    return ratio(rates["durable"], rates["plain"])


def in_redis():
    from celery import current_app

    from offbeat.jobs import broker

    waiting = broker.waiting(current_app.conf.task_default_queue)
    return waiting + broker.client().hlen(broker.key("unacked"))


def start(calls):
    """Compare the time from a call to the first line of its task, p50: one at a time, both kinds in turns on one worker."""
    from offbeat.jobs import broker
    from tests.offbeat.speed.tasks import do_nothing, note_start

    client = broker.client()
    kinds = {"plain": note_start.delay, "durable": note_start.enqueue}
    seconds = {name: [] for name in kinds}
    with process(worker()):
        warm = do_nothing.enqueue()
        wait_until(lambda: warm.refresh_from_db() or warm.is_finished)
        for _ in range(calls):
            for name, call in kinds.items():
                call(time.time(), f"speed:{name}")
                wait_until(lambda name=name: client.llen(f"speed:{name}"), pause=0.005)
                seconds[name].append(float(client.lpop(f"speed:{name}")))
    plain, durable = (percentile(each, 0.5) for each in seconds.values())
    say(f"  start: plain {plain * 1000:.1f} ms, durable {durable * 1000:.1f} ms")
    return durable / plain


def bulk(jobs):
    """Compare the jobs a second of `enqueue_many` with those of `enqueue`."""
    from tests.offbeat.speed.tasks import do_nothing

    begun = time.monotonic()
    for _ in range(jobs):
        do_nothing.enqueue()
    between = time.monotonic()
    do_nothing.enqueue_many(((), {}) for _ in range(jobs))
    return (between - begun) / (time.monotonic() - between)


def wake_up(rounds):
    """Compare the CPU seconds of a wake-up's process with the least that any process of the project needs."""
    cpu_seconds(WAKE_UP)  # makes the cronjobs known
    floor, ours = zip(*((cpu_seconds(FLOOR), cpu_seconds(WAKE_UP)) for _ in range(2 * rounds)), strict=True)
    say(f"  wake-up: {min(ours):.2f} s of CPU, at the least {min(floor):.2f}")
    return min(ours) / min(floor)


def cpu_seconds(command):
    before = os.times()
    subprocess.run(command, cwd=CHECKOUT, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def growth_of_ticks(rounds):
    """Compare a tick over a thousand cronjobs, a hundred of them due, with one over a hundred with ten due."""
    seconds = ticks.measure((100, 1_000), rounds)
    return seconds[1_000] / seconds[100]
