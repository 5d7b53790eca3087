"""What a peer takes: the rate of its no-op jobs, their start latency, memory, and commands and statements a job."""

from __future__ import annotations

import contextlib

from bench.stand import percentile, wait_until

JOBS = 2_000  # of one rate; the other numbers follow it
WARM_UP = 30  # jobs that a worker has done before its jobs are timed or counted
WARM = 0.1  # of the jobs, before the rate is taken
LONGEST = 12  # seconds for which one rate is taken
PACE = 20  # jobs a second whose start is timed
PACED, COUNTED = 0.15, 0.2  # of the jobs: whose start is timed, whose commands and statements are counted
GIVE_UP = 180


def rate(stand, jobs):
    """Return jobs a second of a fresh worker that finds its queue full, and those that its producer sent one by one."""
    stand.effects.empty()
    stand.enqueue(jobs)
    stand.analyze()
    stand.start_worker()
    try:
        wait_until(lambda: stand.effects.ended() > jobs * WARM, GIVE_UP, pause=0.1)
        wait_until(lambda: is_enough(stand.effects, jobs), GIVE_UP, pause=0.25)
    finally:
        stand.kill_worker()
    ends = sorted(stand.effects.times("end").values())[int(jobs * WARM) :]
    sent = sorted(stand.effects.times("sent").values())
    return (len(ends) - 1) / (ends[-1] - ends[0]), (jobs - 1) / (sent[-1] - sent[0])


def is_enough(effects, jobs):
    ends = sorted(effects.times("end").values())
    return len(ends) >= jobs or ends[-1] - ends[int(jobs * WARM)] > LONGEST


def latency(stand, jobs):
    """Return p50 and p99 in ms from the call to the job's first line, at a steady pace."""
    with warm_worker(stand):
        run(stand, int(jobs * PACED), pace=PACE)
        sent, begun = stand.effects.times("sent"), stand.effects.times("begin")
        times = [(begun[number] - sent[number]) * 1000 for number in sent if number > WARM_UP]
        return percentile(times, 0.5), percentile(times, 0.99)


def costs(stand, jobs):
    """Return MB of the worker after its jobs, and commands of Redis and statements of PostgreSQL a job with its sending."""
    stand.log_statements()
    counted = int(jobs * COUNTED)
    with warm_worker(stand):  # what a start costs is not a job's
        commands, statements = stand.commands(), stand.statements()
        run(stand, counted)
        commands, statements = stand.commands() - commands, stand.statements() - statements
        return stand.memory(), commands / counted, statements / counted


@contextlib.contextmanager
def warm_worker(stand):
    """Run a worker that has done some jobs."""
    stand.effects.empty()
    stand.start_worker()
    try:
        stand.enqueue(WARM_UP)
        wait_until(lambda: stand.effects.ended() >= WARM_UP, GIVE_UP, pause=0.1)
        yield
    finally:
        stand.kill_worker()


def run(stand, count, pace=0):
    """Send so many jobs after those, and wait for their end."""
    stand.enqueue(count, first=WARM_UP + 1, pace=pace)
    wait_until(lambda: stand.effects.ended() >= WARM_UP + count, GIVE_UP, pause=0.1)
