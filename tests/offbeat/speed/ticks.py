"""A tick over many cronjobs, a tenth of them due."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import mean

from tests.offbeat.speed.stand import say

ENTRY = """
  - name: busy-{n}
    schedule: "{minute} {hour} * * *"
    timezone: {zone}
    command: python manage.py enqueue_prune_jobs --name busy-{n}
"""
ZONES = ("UTC", "Europe/Berlin", "America/New_York")
MAKE_DUE = """
    DELETE FROM offbeat_cronjobs_slot; DELETE FROM offbeat_jobs_job; UPDATE offbeat_cronjobs_cronjob SET cursor = now();
    UPDATE offbeat_cronjobs_cronjob SET cursor = now() - interval '25 hours' WHERE right(name, 1) = '0'
"""


def measure(sizes, rounds):
    """Return the seconds of a tick, by the number of cronjobs; platform.yaml is read each time, as by the command.

    A machine may be slower a minute later, or for a moment: the sizes are measured in turns, and a small one
    as many times as takes what the largest takes, for the best of short times is easier to get than that of long ones.
    """
    from offbeat.deployment import spec

    read = spec.read
    seconds = {size: [] for size in sizes}
    try:
        for _ in range(rounds):
            for size in sizes:
                seconds[size].append(timed(size, max(sizes) // size, read))
    finally:
        spec.read = read
    best = {size: min(each) for size, each in seconds.items()}
    for size in sizes:
        say(f"  {size} cronjobs: {best[size]:.2f} s")
    return best


def timed(size, times, read):
    """Return the mean of so many ticks."""
    from offbeat.cronjobs import tick_wakeup
    from offbeat.cronjobs.models import CronJob
    from offbeat.deployment import spec

    CronJob.objects.all().delete()
    with tempfile.TemporaryDirectory() as folder:
        spec.read = partial(read, platform(Path(folder), size))
        while tick_wakeup.tick().left:
            """Make all of them known, which a first tick may not have the time for."""
        return mean(timed_tick(size) for _ in range(times))


def timed_tick(size):
    from django.db import connection

    from offbeat.cronjobs import tick_wakeup

    with connection.cursor() as cursor:
        cursor.execute(MAKE_DUE)
    begun = time.perf_counter()
    done = tick_wakeup.tick()
    seconds = time.perf_counter() - begun
    # Where a minute has begun meanwhile, some of the others are due as well.
    woken = [each.name for each in done.wake_ups if each.name.endswith("0")]
    assert (len(woken), done.unpublished) == (size // 10, 0)
    return seconds


def platform(folder, size):
    """Write a platform.yaml with so many cronjobs; those whose number ends with 0 are daily at a time of their own."""
    from offbeat.deployment import spec

    entries = "".join(
        ENTRY.format(n=n, minute=n % 60, hour=n // 60 % 24, zone=ZONES[n % len(ZONES)]) for n in range(size)
    )
    path = folder / "platform.yaml"
    path.write_text(
        f"{spec.PLATFORM_FILE.read_text().partition(chr(10) + 'cronjobs:')[0]}\ncronjobs:{entries}"
    )
    return path
